"""The labels that sites were onboarded with, kept as tables in the workspace: a retraining adapts to them again."""

import csv
from pathlib import Path

from outcrop.survey.field_labels import CLASS, SCENE, FieldLabels, grid_place
from outcrop.survey.sites import Site


def write_onboarded(path: Path, labels: FieldLabels, site: Site) -> Path:
    """Keep labels at the centres of their cells, in the coordinates of the site's grid; `read_field_labels` reads them.

    The table replaces an earlier one whole.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".partial")
    with draft.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(("x", "y", CLASS, SCENE))
        for scene, row, col, place in zip(labels.scenes, labels.rows, labels.cols, labels.classes, strict=True):
            x, y = grid_place(site.scenes[scene].grid, int(row), int(col))
            table.writerow((repr(x), repr(y), labels.names[place], site.scenes[scene].id))
    draft.replace(path)
    return path
