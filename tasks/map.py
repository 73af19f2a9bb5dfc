"""Map one scene with an export or a model."""

import os
import shutil
from pathlib import Path
from typing import Any

from outcrop.field.exported import ExportedPredictor
from outcrop.field.journals import Journal
from outcrop.field.mapping import map_scene
from outcrop.field.products import write_map
from outcrop.field.scenes import open_scene
from outcrop.survey.staging import staged
from tasks.progress import Progress


def map_export(
    folder: Path, scene_path: Path, output: Path, *, threads: int | None, probabilities: bool
) -> dict[str, Any]:
    """Map a scene with an export; gives what was made."""
    predictor = ExportedPredictor(folder)
    scene = open_scene(scene_path, predictor.profile)
    unfinished = output.parent / f".{output.name}.unfinished"
    unfinished.mkdir(parents=True, exist_ok=True)
    journal = Journal(unfinished / "blocks")
    cells = scene.grid.height * scene.grid.width
    with Progress("Mapping", cells) as bar:
        map_scene(predictor, scene, journal, threads=threads or os.cpu_count() or 1, progress=bar.advance)
    with staged(output.parent, output.name) as building:
        write_map(scene, predictor.profile, journal, building, probabilities=probabilities)
    shutil.rmtree(unfinished)
    return {"map": str(output), "cells": cells}
