"""Where the points of a file lie, and a table of files that are no point cloud with the sentence each must give."""

from collections.abc import Callable
from pathlib import Path

import pytest
from clouds import CELL, GRID, Points, check, lay, make_points, one_sentence, read, terrain, write_points
from pyproj import CRS, Transformer

from outcrop.errors import DataError, OutcropError, SurveyError
from outcrop.survey.grids import Grid


def elsewhere(crs: str) -> Points:
    points = make_points()
    points["x"], points["y"] = Transformer.from_crs("EPSG:32627", crs, always_xy=True).transform(
        points["x"], points["y"]
    )
    return points


@pytest.mark.parametrize("crs", ["EPSG:32628", "EPSG:4326", "EPSG:32628+5773"])
def test_points_in_another_crs_are_reprojected_and_a_note_says_so(tmp_path: Path, crs: str) -> None:
    write_points(tmp_path / "a.las", elsewhere(crs.split("+")[0]), crs)
    layer = lay(tmp_path)
    check(read(layer), terrain=terrain(), height=12.0, density=3 / CELL**2)
    assert layer.raster.notes == (f"the points were reprojected from {CRS.from_user_input(crs.split('+')[0]).name}",)


def test_points_without_a_crs_lie_where_the_labels_do_or_where_the_survey_says(tmp_path: Path) -> None:
    write_points(tmp_path / "a.las", make_points(), crs=None)
    note = "the point cloud names no CRS: it was taken to be that of the labels"
    assert lay(tmp_path).raster.notes == (note,)
    assert lay(tmp_path, crs="EPSG:32627").raster.notes == ()
    bare = Grid(GRID.height, GRID.width, GRID.transform)
    check(read(lay(tmp_path, grid=bare)), terrain=terrain())
    write_points(tmp_path / "a.las", elsewhere("EPSG:32628"), crs=None)
    check(read(lay(tmp_path, crs="EPSG:32628")), terrain=terrain())


def cut(name: str, keep: float) -> Callable[[Path], object]:
    def damage(raw: Path) -> None:
        content = write_points(raw / name, make_points()).read_bytes()
        (raw / name).write_bytes(content[: int(len(content) * keep)])

    return damage


def overwrite(at: int, content: bytes) -> Callable[[Path], object]:
    def damage(raw: Path) -> None:
        whole = bytearray((raw / "a.las").read_bytes())
        whole[at : at + len(content)] = content
        (raw / "a.las").write_bytes(whole)

    return damage


def fine(raw: Path) -> None:
    pass


def link_out(raw: Path) -> None:
    (raw / "a.las").rename(raw.parent / "a.las")
    (raw / "a.las").symlink_to(raw.parent / "a.las")


MANY = (2**32 - 1).to_bytes(4, "little")
UNREADABLE = "is not a readable LAS or LAZ file"
#: Files that are no point cloud, or were one.
DAMAGED: dict[str, tuple[str, Callable[[Path], object], type[OutcropError], str]] = {
    "leaves the folder": ("a.las", link_out, SurveyError, "leads out of the data folder"),
    "empty": ("a.las", cut("a.las", 0), DataError, UNREADABLE),
    "text": ("a.las", lambda raw: (raw / "a.las").write_text("x y z\n" * 100), DataError, UNREADABLE),
    "only a header": ("a.las", cut("a.las", 0.05), DataError, UNREADABLE),
    "truncated": ("a.las", cut("a.las", 0.7), DataError, "the point cloud ends too early .*a.las"),
    "truncated, compressed": ("b.laz", cut("b.laz", 0.95), DataError, "cloud cannot be read to its end .*b.laz"),
    "many records": ("a.las", overwrite(100, MANY), DataError, UNREADABLE),
    "many extended records": ("a.las", overwrite(243, MANY), DataError, UNREADABLE),
    "many points": ("a.las", overwrite(247, MANY), DataError, "ends too early"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_told_in_one_sentence(name: str, tmp_path: Path) -> None:
    file, damage, error, message = DAMAGED[name]
    raw = tmp_path / "raw"
    write_points(raw / "a.las", make_points())
    damage(raw)
    with pytest.raises(error, match=message) as caught:
        read(lay(raw, files=(file,)))
    assert one_sentence(caught.value)
