"""Flow `validate`: the checks of `retrain`, on their own; nothing is trained or registered."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from outcrop.survey.roles import with_roles
from outcrop.survey.sites import read_site
from outcrop.survey.surveys import load_survey
from tasks.data import ensure_sites
from tasks.progress import CONSOLE
from tasks.validate import examine, refuse_critical
from tasks.workers import ALONE, Workers
from tasks.workspace import Workspace


def run_validate(workspace: Workspace, survey_file: Path, workers: Workers = ALONE) -> dict[str, Any]:
    """Findings of a survey's data; of several workers each has a scene at a time.

    Raises
    ------
    DataError : one sentence that holds every critical finding.
    """
    survey, params = load_survey(survey_file, workspace.params)
    hashes = ensure_sites(workspace, survey, params, CONSOLE.print)
    sites = with_roles((read_site(workspace.sites / name) for name in survey.sites), params.sites)
    folder = workspace.state / "work" / f"census-{survey.survey}"
    verdict = examine(workspace, survey, sites, params, folder, workers=workers)
    refuse_critical(verdict)
    return {"survey": survey.survey, "sites": hashes, **asdict(verdict)}
