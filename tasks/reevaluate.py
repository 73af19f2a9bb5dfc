"""Measuring a model again: its files, the sites as DVC keeps them, the pinned test blocks and parameters."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outcrop.errors import OutcropError, ParamsError, RecordError, SurveyError
from outcrop.learning.evaluation import score_network
from outcrop.learning.material import Material
from outcrop.learning.metrics import Scored, measure
from outcrop.learning.models import CONFIG, WEIGHTS, Model, load_model
from outcrop.params import Params
from outcrop.record.archives import Archive
from outcrop.record.audits import Audit, Chain, locate
from outcrop.record.records import Record
from outcrop.settings import build, merge, read_yaml
from outcrop.survey.census import Census, load_census, take_census
from outcrop.survey.declarations import declared_ranges
from outcrop.survey.roles import with_roles
from outcrop.survey.sites import Site, read_site
from outcrop.survey.surveys import Survey
from tasks.keeping import block_names
from tasks.records import archive_of
from tasks.validate import files_digest
from tasks.workspace import Workspace

#: Other machines and other threads add in another order: what that may change.
TOLERANCE = 1e-3
COMPARED = ("macro_f1", "overall_accuracy", "average_accuracy", "kappa", "ece", "nll")


@dataclass(frozen=True)
class Pinned:
    """What a record was made with: survey, parameters, sites, census and the blocks of its splits."""

    survey: Survey
    params: Params
    sites: tuple[Site, ...]
    census: Census

    def material(self, work: Path) -> Material:
        """The material of a training or an evaluation."""
        return Material.gather(self.survey.survey, self.sites, self.census, self.params, work)


def read_pinned(record: Record, workspace: Workspace) -> tuple[Survey, Params]:
    """Survey and parameters of a record; a parameter that did not exist then, and so changed nothing, is today's."""
    files = {name: locate(archive_of(workspace), record.files[name].path) for name in ("survey.yaml", "params.yaml")}
    survey = build(Survey, read_yaml(files["survey.yaml"], SurveyError), "recorded survey", SurveyError)
    values = merge(read_yaml(workspace.params, ParamsError), read_yaml(files["params.yaml"], ParamsError))
    return survey, build(Params, values, "recorded parameters", ParamsError)


def pin(record: Record, chain: Chain, workspace: Workspace, scratch: Path) -> Pinned:
    """Lay out what a record was made with; the census is taken anew unless the one that was made is still there."""
    survey, params = read_pinned(record, workspace)
    used = {each.name for _, each in chain.records("dataset")}  # a site without a role is not laid out
    sites = with_roles((read_site(scratch / "sites" / name) for name in survey.sites if name in used), params.sites)
    validation = next(chain.records("validation"))[1]
    assert validation.made is not None
    earlier = workspace.state / "steps" / f"validate-{validation.made.key[:16]}"
    if earlier.is_dir() and files_digest(earlier) == validation.made.digests["census"]:
        return Pinned(survey, params, sites, load_census(earlier))
    census = take_census(sites, params.footprint, declared_ranges(survey), scratch / "census")
    return Pinned(survey, params, sites, census)


def check_blocks(audit: Audit, chain: Chain, pinned: Pinned) -> None:
    """The blocks of every split are those that were recorded."""
    now = block_names(pinned.sites, pinned.census)
    for _, record in chain.records("validation"):
        faults = [
            f"the {split} blocks are not the recorded ones"
            for split in now
            if now[split] != record.facts["blocks"][split]
        ]
        audit.ask("data", f"splits of {record.name}", faults, f"{len(now['test'])} test blocks, as recorded")


def check_scores(audit: Audit, chain: Chain, pinned: Pinned, archive: Archive, scratch: Path) -> None:
    """The model gives on the pinned test blocks what was recorded of it."""
    evaluations = evaluations_of(chain)
    if not evaluations:
        audit.skip("metrics", "measured again", "the model was never evaluated")
        return
    material = pinned.material(scratch / "work")
    scored = score_network(material, served_model(chain.lineage.records[chain.subject], archive))
    found = measured(scored, pinned)
    for record in evaluations:
        recorded = recorded_metrics(record, archive)[role_in(record, chain.subject)]
        told = f"macro-F1 {found['macro_f1']:.4f} on {found['blocks']} blocks, recorded {recorded['macro_f1']:.4f}"
        audit.ask("metrics", f"{record.name} measured again", differences(recorded, found), told)


def evaluations_of(chain: Chain) -> list[Record]:
    """Those that tell of the audited model."""
    return [record for _, record in chain.records("evaluation") if role_in(record, chain.subject)]


def recorded_metrics(evaluation: Record, archive: Archive) -> dict[str, Any]:
    """What an evaluation said, by model."""
    found: dict[str, Any] = json.loads(
        locate(archive, evaluation.files["metrics.json"].path).read_text(encoding="utf-8")
    )
    return found


def measured(scored: Scored, pinned: Pinned) -> dict[str, Any]:
    """Metrics of scores, by the pinned parameters."""
    chosen, names = pinned.params.evaluate, pinned.census.class_names
    return measure(scored, names, bins=chosen.bins, draws=1, seed=pinned.params.seed)


def differences(recorded: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[str]:
    """Metrics that differ by more than what another machine may change, in words."""
    for name in COMPARED:
        if not abs(recorded[name] - found[name]) <= TOLERANCE:
            yield f"{name} is {found[name]:.4f}, recorded is {recorded[name]:.4f}"
    if recorded["cells"] != found["cells"]:
        yield f"{found['cells']} cells are scored, recorded are {recorded['cells']}"


def role_in(evaluation: Record, model: str) -> str:
    """Under which name an evaluation speaks of a model; empty where it does not."""
    roles = [role for role, parent in evaluation.inputs.items() if parent == model and role.startswith("models/")]
    return roles[0].removeprefix("models/") if roles else ""


def served_model(record: Record, archive: Archive) -> Model:
    """The model whose files a record names.

    Raises
    ------
    RecordError : it names none.
    """
    if WEIGHTS not in record.files or CONFIG not in record.files:
        raise RecordError(f"{record.kind} {record.name} names no weights", remedy="audit a model")
    return load_model(locate(archive, record.files[WEIGHTS].path).parent)


def in_words(error: OutcropError) -> str:
    """An error as the finding of a check."""
    return str(error).removesuffix(".")
