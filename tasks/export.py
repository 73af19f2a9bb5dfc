"""Export a model: what travels to a small machine."""

import hashlib
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from outcrop.field.exported import MANIFEST, SUMS, Export
from outcrop.field.exports import write_graph
from outcrop.field.familiarity import Rows, fit_familiarity, trunk_means
from outcrop.field.profiles import profile_of
from outcrop.learning.models import Model, load_model
from outcrop.survey.cells import CellReader, CellSet, paired_cells
from outcrop.survey.census import take_census
from outcrop.survey.declarations import declared_ranges
from outcrop.survey.patches import BlockPool, sweep
from outcrop.survey.roles import with_roles
from outcrop.survey.sites import read_site
from outcrop.survey.staging import staged
from outcrop.survey.surveys import load_survey
from tasks.workspace import Workspace

#: Cells that the familiar is learnt from, and as many to set its limit by.
CELLS = 4000


def export(workspace: Workspace, folder: Path, output: Path) -> dict[str, Any]:
    """Export the model in a folder."""
    model = load_model(folder)
    survey, params = load_survey(workspace.root / "data" / "surveys" / f"{model.config.survey}.yaml", workspace.params)
    sites = with_roles([read_site(workspace.sites / name) for name in survey.sites], params.sites)
    profile = profile_of(model.config, sites)
    with tempfile.TemporaryDirectory(dir=workspace.state) as scratch, staged(output.parent, output.name) as building:
        census = take_census(sites, params.footprint, declared_ranges(survey), Path(scratch))
        reader = CellReader(sites, census)
        means = [
            _means(model, reader, paired_cells(reader, split, CELLS, params.seed), params.patches.pool_mb)
            for split in ("train", "val")
        ]
        familiarity = fit_familiarity(*means)
        write_graph(model, profile, familiarity, building / "model.onnx")
        manifest = Export(profile=profile, graphs={"fp32": "model.onnx"}, quantile=familiarity.quantile)
        (building / MANIFEST).write_text(manifest.model_dump_json(indent=1), encoding="utf-8")
        names = sorted(path.name for path in building.iterdir())
        sums = [f"{hashlib.sha256((building / name).read_bytes()).hexdigest()}  {name}\n" for name in names]
        (building / SUMS).write_text("".join(sums), encoding="utf-8")
    return {"export": str(output)}


def _means(model: Model, reader: CellReader, cells: CellSet, megabytes: int) -> Rows:
    names = [entry.modality for entry in model.config.inputs]
    batches = sweep(BlockPool(reader, names, megabytes), cells, 256)
    return np.concatenate(
        [trunk_means(model.network, {n: torch.from_numpy(b.patches[n]) for n in names}) for b in batches]
    )
