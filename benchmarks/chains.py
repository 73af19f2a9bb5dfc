"""A workspace with a full chain in it: teacher, assistants, student, and the student adapted to another site.

It is a clone of this one at its last commit, so that nothing in it differs from what its records say. Trained for an
epoch alone, the models are poor; what an audit asks of them, and how long that takes, is the same.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from outcrop.survey.blocks import Tile, complete_patches, read_tile, with_data
from outcrop.survey.field_labels import FieldLabels
from outcrop.survey.onboarded import write_onboarded
from outcrop.survey.rasters import read_labels
from outcrop.survey.sites import NO_LABEL, Site, read_site
from outcrop.survey.surveys import load_survey
from tasks.workspace import Workspace

#: The site that the student is adapted to, by so many labels of every class.
SITE, LABELS = "oman", 4
#: What makes training short.
SHORT = (
    *("train.epochs={teacher: 1, assistant: 1, student: 1}", "train.samples=512", "patches.pairs=5000"),
    *("evaluate.stride=2", "onboard.accuracy=0.01", "onboard.curve=[5]", "onboard.draws=1"),
)


@dataclass(frozen=True)
class Clone:
    """A clone of a workspace, whose own code runs in it."""

    root: Path

    @classmethod
    def make(cls, workspace: Workspace, folder: Path) -> "Clone":
        """Clone a workspace's last commit, or take the clone of before; DVC makes again only what its cache lacks."""
        dvc = [sys.executable, "-m", "dvc", "--cd", str(folder)]
        if not folder.is_dir():
            subprocess.run(["git", "clone", "--quiet", workspace.root, folder], check=True)
            subprocess.run([*dvc, "cache", "dir", "--local", str(workspace.root / ".dvc" / "cache")], check=True)
        made = cls(folder)
        subprocess.run([*dvc, "repro", "--quiet"], check=True, stdout=sys.stderr, env=made.environment)
        return made

    @property
    def environment(self) -> dict[str, str]:
        """That of the clone's own code."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "PREFECT_"))}
        return {**kept, "PYTHONPATH": str(self.root), "PATH": f"{Path(sys.executable).parent}:{kept['PATH']}"}

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Call the clone's own command line; what it tells on the way is told."""
        command = [sys.executable, "-m", "flows.cli", *words, "--json"]
        streams: Any = {"stdout": subprocess.PIPE, "text": True}
        return subprocess.run(command, cwd=self.root, env=self.environment, check=False, **streams)

    def told(self, *words: str) -> dict[str, Any]:
        """What a command says that succeeds."""
        done = self.run(*words)
        if done.returncode:
            raise RuntimeError(f"`outcrop {' '.join(words)}` gave {done.returncode}")
        result: dict[str, Any] = json.loads(done.stdout)
        return result


def make_chain(workspace: Workspace, folder: Path) -> Clone:
    """Clone, train and adapt; what a clone has of it already is not done again."""
    clone, labels = Clone.make(workspace, folder), folder / ".outcrop" / "labels.csv"
    changes = [word for change in SHORT for word in ("--set", change)]
    clone.told("retrain", *changes)
    _, params = load_survey(folder / "data" / "surveys" / "simulated.yaml", folder / "params.yaml")
    draw_labels(read_site(folder / "data" / "sites" / SITE), params.footprint, labels)
    clone.told("onboard", SITE, "--labels", str(labels), *changes)
    return clone


def draw_labels(site: Site, footprint: int, path: Path) -> None:
    """Labels of random cells, as somebody would bring them back: a few of every class of the site's first scene.

    Of cells alone around which all sensors have data.
    """
    scene, rng = site.scenes[0], np.random.default_rng(0)
    whole = Tile(0, 0, scene.grid.height, scene.grid.width)
    labels = read_labels(scene, whole.row, whole.col, whole.height, whole.width)
    there = labels != NO_LABEL
    for raster in scene.rasters.values():
        window, pixels = read_tile(raster, whole, footprint)
        there &= complete_patches(with_data(pixels), window)
    found = [np.argwhere(there & (labels == place)) for place in range(len(site.classes))]
    cells = np.concatenate([rng.permutation(each)[:LABELS] for each in found])
    rows, cols = cells.T
    names = tuple(entry.name for entry in site.classes)
    classes = labels[rows, cols].astype(np.intp)
    write_onboarded(path, FieldLabels(np.zeros(len(rows), dtype=np.intp), rows, cols, classes, names), site)
