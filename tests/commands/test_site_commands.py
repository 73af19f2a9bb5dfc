"""Looking at sites through the real commands: pictures, tables, and one sentence for what does not exist."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benches import Said
from conftest import PROJECT, TinySurvey
from PIL import Image

from outcrop.survey.sites import Site


@dataclass
class Desk:
    """A workspace with the tiny site, and its commands called in this process."""

    root: Path
    capsys: pytest.CaptureFixture[str]
    patch: pytest.MonkeyPatch

    def __call__(self, *words: str) -> Said:
        from flows.cli import main

        self.patch.setattr("sys.argv", ["outcrop", "sites", *words, "--workspace", str(self.root)])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        return Said(code, *self.capsys.readouterr())

    def data(self, *words: str) -> dict[str, Any]:
        said = self(*words, "--json")
        assert said.code == 0, said.err
        answer: dict[str, Any] = json.loads(said.out)
        return answer


@pytest.fixture
def desk(tmp_path: Path, tiny_site: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Desk:
    root = tmp_path / "workspace"
    shutil.copytree(tiny_site.path, root / "data" / "sites" / "north")
    shutil.copy(PROJECT / "params.yaml", root)
    return Desk(root, capsys, monkeypatch)


def test_the_group_lists_as_its_list_does(desk: Desk) -> None:
    assert desk.data() == desk.data("list")
    assert desk.data()["sites"]["north"]["scenes"] == {"first": [64, 64]}
    assert "north" in desk().out and "untracked" in desk("list").out


def test_show_writes_a_picture_and_says_where(desk: Desk) -> None:
    said = desk("show", "north")
    path = desk.root / "reports" / "sites" / "north.png"
    assert said.out.splitlines()[-1] == str(path)
    image = np.asarray(Image.open(path).convert("RGB"))
    for colour in ((0x44, 0x44, 0x44), (0x88, 0xAA, 0x33), (0xEE, 0xEE, 0xCC)):
        assert (image == colour).all(axis=2).mean() > 0.01
    assert [file.name for file in path.parent.iterdir()] == ["north.png"]


def test_show_one_scene_elsewhere(desk: Desk, tmp_path: Path) -> None:
    made = desk.data("show", "north", "--scene", "first", "-o", str(tmp_path / "new" / "folder"))
    assert made == {
        "site": "north",
        "pictures": [str(tmp_path / "new" / "folder" / "north-first.png")],
        "scenes": ["first"],
        "total": 1,
    }
    assert Image.open(made["pictures"][0]).format == "PNG"


def test_stats_are_those_of_the_raw_files(desk: Desk, tiny_truth: TinySurvey) -> None:
    found = desk.data("stats", "north")
    modalities = {entry["modality"]: entry for entry in found["modalities"]}
    elevation = tiny_truth.elevation[tiny_truth.elevation != -9999] * 0.5
    (band,) = modalities["elevation"]["bands"]
    assert [band[name] for name in ("minimum", "mean", "maximum", "std")] == pytest.approx(
        [elevation.min(), elevation.mean(), elevation.max(), elevation.std()], rel=1e-5
    )
    assert modalities["rgb"]["nodata_share"] == pytest.approx(36 / 128**2)
    assert (modalities["rgb"]["fine"], modalities["thermal"]["coarse"]) == (2, 2)
    assert modalities["rgb"]["pixel_m"] == [5, 5]
    for place, entry in enumerate(found["classes"]):
        cells = int((tiny_truth.labels == place).sum())
        assert sum(entry["cells"].values()) == cells
        assert sum(entry["area_m2"].values()) == pytest.approx(cells * 100)
    assert sum(found["unlabelled"]["cells"].values()) == 40


def test_stats_for_people(desk: Desk, tiny_truth: TinySurvey) -> None:
    said = desk("stats", "north").out
    assert "rgb  3 bands; digital number; uint8; 5 m pixels; 2 x 2 pixels in a base cell; 0.2% without data" in said
    (line,) = (line for line in said.splitlines() if line.strip().startswith("basalt"))
    assert f"{int((tiny_truth.labels == 0).sum()):,}" in line
    assert "ha" in said


def test_the_command_line_starts_without_the_heavy_packages() -> None:
    import subprocess
    import sys

    code = "import sys, flows.cli; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PROJECT)
    heavy = {"torch", "prefect", "mlflow", "dvc", "great_expectations", "dask", "distributed"}
    heavy |= {"matplotlib", "rasterio", "numpy", "scipy", "pandas"}
    assert not heavy & set(done.stdout.split())


REFUSED = {
    "unknown site": (("show", "atlantis"), "there is no site `atlantis`", "name one of north."),
    "unknown site's statistics": (("stats", "atlantis"), "there is no site `atlantis`", "name one of north."),
    "a path for a name": (("show", "../sites/north"), "there is no site `../sites/north`", "north."),
    "unknown scene": (("show", "north", "--scene", "9"), "site north has no scene `9`", "name one of first."),
    "a file for a folder": (("show", "north", "-o", "FILE"), "cannot write the picture", "check the folder."),
    "a folder below a file": (("show", "north", "-o", "FILE/below"), "cannot write the picture", "check the folder."),
}


@pytest.mark.parametrize("case", REFUSED)
def test_one_sentence_for_what_cannot_be_done(case: str, desk: Desk, tmp_path: Path) -> None:
    words, what, remedy = REFUSED[case]
    (tmp_path / "file").write_text("")
    said = desk(*(word.replace("FILE", str(tmp_path / "file")) for word in words))
    assert (said.code, said.out) == (2, "")
    (sentence,) = said.err.splitlines()
    assert sentence.startswith(f"outcrop: {what}") and sentence.endswith(remedy)
    assert not (desk.root / "reports").exists()


def test_a_site_that_only_dvc_knows_is_to_be_fetched(desk: Desk) -> None:
    (desk.root / "data" / "sites" / "south.dvc").write_text("outs: []\n")
    assert "fetch it with `dvc pull data/sites/south`" in desk("show", "south").err


def test_a_damaged_raster_is_named_and_leaves_no_picture(desk: Desk) -> None:
    raster = desk.root / "data" / "sites" / "north" / "first" / "thermal.tif"
    content = raster.read_bytes()
    raster.write_bytes(content[: len(content) // 2])
    for command in ("show", "stats"):
        said = desk(command, "north")
        assert said.code == 2
        assert "a raster cannot be read to its end" in said.err
    assert list((desk.root / "reports" / "sites").iterdir()) == []


def test_options_of_the_group_are_not_lost_before_a_command(desk: Desk) -> None:
    said = desk("--json", "show", "north")
    assert said.code == 2 and "after `show`" in said.err


@pytest.mark.parametrize("words", [(), ("list",), ("show",), ("stats",)])
def test_every_command_shows_an_example(words: tuple[str, ...], desk: Desk) -> None:
    said = desk(*words, "--help")
    assert said.code == 0
    assert " ".join(("outcrop", "sites", *words)) in said.out
