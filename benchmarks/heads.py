"""Measure what RGB can still see of a carbonation site: regression heads of teacher, student and control.

The site illinois is simulated at its three dates, the networks are trained on it as `outcrop retrain` trains them, and
the heads taught and scored on disjoint blocks. Site and networks are kept in the workspace's state folder, so that the
command resumes; the section of docs/carbon.md is written of what was found.

    python -m benchmarks.heads [--size 256] [--again]
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.documents import fill, put_section
from benchmarks.simulated import SEED, simulated_survey
from outcrop.learning.distillation import Lesson, train_by_distillation, write_guide
from outcrop.learning.heads import CONTROL, STUDENT, TEACHER, Ways, teach_properties
from outcrop.learning.material import Material
from outcrop.learning.models import Model, load_model, save_model
from outcrop.learning.properties import PROPERTIES
from outcrop.learning.recipes import Trained, train_on_labels
from outcrop.learning.regression import SUPPORTED
from outcrop.survey.census import load_census, take_census
from outcrop.survey.declarations import declared_ranges
from outcrop.survey.roles import with_roles
from outcrop.survey.simulate import simulate_site
from outcrop.survey.sites import Site, read_site
from tasks.progress import Progress
from tasks.regress import as_told
from tasks.workspace import find_workspace

HERE = Path(__file__).parent
PLACE, SIZE = "illinois", 256
WAYS = Ways(seed=SEED)
#: The networks' training: short, for what is asked for is a comparison; and cells that the student is taught on.
TRAIN = {"samples": 1024, "epochs": {"teacher": 6, "assistant": 6, "student": 12}, "val_samples": 300}
PAIRS = 4000
RESULT, SECTION = "heads.json", "## What RGB can still see"
Result = dict[str, Any]


def main() -> None:
    """Measure what is not kept, print it, and write the section."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.heads", description=__doc__.partition("\n")[0])
    parser.add_argument("--size", type=int, default=SIZE, help="base cells along one side of the site")
    parser.add_argument("--again", action="store_true", help="teach the heads again")
    parser.add_argument("--output", type=Path, help="folder of the document; default: docs")
    asked, workspace = parser.parse_args(), find_workspace(HERE)
    path = workspace.state / "heads" / RESULT
    if asked.again or not path.is_file():
        found = measure(asked.size, workspace.state / "heads")
        path.write_text(json.dumps(found, indent=1), encoding="utf-8")
    found = json.loads(path.read_text(encoding="utf-8"))
    for row in found["rows"]:
        print(json.dumps(row))
    print(put_section((asked.output or workspace.root / "docs") / "carbon.md", SECTION, section(found)))


def kept_section(state: Path) -> str:
    """The section of what was measured last; empty where nothing was."""
    path = state / "heads" / RESULT
    return section(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else ""


def section(found: Result) -> str:
    """The section of the document."""
    return fill("heads.md.j2", heading=SECTION, supported=SUPPORTED, **found)


def measure(size: int, folder: Path) -> Result:
    """Teach and score all heads on one site of ``size`` cells a side; ``folder`` keeps it and the networks."""
    kept = folder / f"{PLACE}-{size}"
    kept.mkdir(parents=True, exist_ok=True)
    material = _material(_site(size, kept), kept)
    (site,) = material.sites
    models = _models(material, kept)
    with Progress("Teaching heads", len(models) + len(PROPERTIES)) as bar:
        taught = teach_properties(material, models, WAYS, tell=lambda done: bar.advance(note=done))
    return {
        "place": PLACE,
        "size": size,
        "dates": [scene.id.removeprefix("year-") for scene in site.scenes],
        "train": TRAIN,
        "per_class": material.params.labels.per_class,
        "ways": asdict(WAYS),
        "rows": [as_told(each) for each in taught],
    }


def _material(site: Site, folder: Path) -> Material:
    """The material of the one site; a training that was cut off goes on from its last epoch in ``folder``."""
    changes = {"sites": {"train": [PLACE], "test": [PLACE]}, "train": TRAIN, "patches": {"pairs": PAIRS}}
    survey, params = simulated_survey(changes)
    sites = with_roles([site], params.sites)
    if not (folder / "census" / "labels.npz").is_file():  # the last file of a census
        take_census(sites, params.footprint, declared_ranges(survey), folder / "census")
    return Material.gather(survey.survey, sites, load_census(folder / "census"), params, folder)


def _site(size: int, folder: Path) -> Site:
    if not (folder / PLACE).is_dir():
        survey, params = simulated_survey({"simulate": {"size": size, "seed": SEED}})
        with Progress(f"Simulating {PLACE}", 1) as bar:
            simulate_site(PLACE, folder, survey, params, progress=bar.reach)
    return read_site(folder / PLACE)


def _models(material: Material, folder: Path) -> dict[str, Model]:
    """Teacher, distilled student and label-only control, trained where they are not kept."""

    def taught() -> Trained:
        write_guide(teacher, material, folder / "guide")
        return train_by_distillation([folder / "guide"], Lesson(material.last), material, "student")

    teacher = _kept(folder / TEACHER, lambda: train_on_labels(material.top, material, "teacher"))
    student = _kept(folder / STUDENT, taught)
    control = _kept(folder / CONTROL, lambda: train_on_labels(material.last, material, "control"))
    return {TEACHER: teacher, STUDENT: student, CONTROL: control}


def _kept(folder: Path, train: Callable[[], Trained]) -> Model:
    if not (folder / "model.json").is_file():
        with Progress(f"Training: {folder.name}", 1) as bar:
            save_model(train().model, folder)
            bar.advance(1)
    return load_model(folder)


if __name__ == "__main__":
    main()
