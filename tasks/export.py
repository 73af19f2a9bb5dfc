"""Export a model: what travels to a small machine, with its proof, its lineage and its digests."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock

from outcrop.errors import ModelError, WorkspaceError
from outcrop.field.cards import TEMPLATES, write_export
from outcrop.field.exported import FORMAT, Export, Source, is_export, read_export
from outcrop.field.exports import LARGEST_LOSS, Made, make_graphs
from outcrop.record.pages import render_page
from outcrop.record.provenance import package_versions, read_commit
from outcrop.survey.staging import staged
from tasks.data import site_hashes
from tasks.fieldwork import keep_export
from tasks.models import Known, confusion_told, find_model, know_model, read_cells
from tasks.progress import Progress
from tasks.workspace import Workspace

#: What the model card tells of the test.
METRICS = ("macro_f1", "overall_accuracy", "average_accuracy", "kappa", "ece", "nll")
STEPS = ("census", "familiarity", "fp32", "int8")


def export(workspace: Workspace, name: str, output: Path, sites: Sequence[str] = ()) -> dict[str, Any]:
    """Export a model into a folder; gives the manifest, and where it is.

    Parameters
    ----------
    sites : calibrate and check on these instead of the survey's training sites

    Raises
    ------
    OutcropError : the model, a site or the folder cannot be used; nothing is left at ``output`` then.
    """
    if output.exists() and not is_export(output) and (not output.is_dir() or any(output.iterdir())):
        raise WorkspaceError("what stands there is no export", where=output, remedy="choose another folder with -o")
    known = know_model(workspace, name, sites)
    hashes = site_hashes(workspace, [site.name for site in known.sites])
    with (
        tempfile.TemporaryDirectory(dir=workspace.state) as scratch,
        staged(output.parent, output.name) as building,
        Progress("Exporting", len(STEPS)) as bar,
    ):

        def tell(step: str) -> None:
            bar.reach(STEPS.index(step), len(STEPS), step)

        tell("census")
        params = known.params
        reader = read_cells(known, Path(scratch))
        made = make_graphs(known.model, known.profile, reader, params.seed, params.patches.pool_mb, building, tell)
        manifest = _manifest(workspace, known, made, hashes)
        write_export(manifest, render_page("model_card.md", TEMPLATES, **dict(manifest)), building)
        bar.reach(len(STEPS), len(STEPS), "")
    parent = known.found.record
    return {
        "export": str(output),
        "record": keep_export(workspace, known.survey.survey, known.found.name, parent, output) if parent else None,
        **manifest.model_dump(mode="json", include={"graphs", "refused", "calibration", "source"}),
    }


def export_of(workspace: Workspace, model: str, survey: str) -> Path:
    """The folder of an export: the one that is named, or that of the model that is; made once.

    Parameters
    ----------
    survey : the one that is meant where a model is called by its role alone

    Raises
    ------
    OutcropError : there is no such model, or it cannot be exported.
    """
    if is_export(Path(model)):
        return Path(model).resolve()
    found = find_model(workspace, model, survey)
    folder = workspace.state / "exports" / found.digest[:16]
    if not _is_sound(folder):
        with FileLock(workspace.state / f"export-{found.digest[:16]}.lock"):
            if not _is_sound(folder):  # else somebody made it while we waited
                export(workspace, found.uri or str(found.folder), folder)
    return folder


def _is_sound(folder: Path) -> bool:
    if not is_export(folder):
        return False
    try:
        read_export(folder)
    except ModelError:
        return False
    return True


def _manifest(workspace: Workspace, known: Known, made: Made, hashes: dict[str, str]) -> Export:
    found, commit = known.found, read_commit(workspace.root)
    return Export(
        format=FORMAT,
        profile=known.profile,
        source=Source(
            model=found.name,
            digest=found.digest,
            uri=found.uri,
            run_id=found.run_id,
            trained_on=known.trained_on,
            data=found.data,
            commit=commit.sha,
            dirty=commit.dirty,
            packages=package_versions(),
        ),
        graphs=made.graphs,
        refused=made.refused,
        metrics={name: found.metrics[name] for name in METRICS if name in found.metrics},
        confusion=confusion_told(found, known.profile),
        calibration={
            "sites": hashes,
            "cells": made.cells,
            "torch_macro_f1": made.torch_macro_f1,
            "largest_loss": LARGEST_LOSS,
            "familiar_quantile": made.familiarity.quantile,
        },
    )
