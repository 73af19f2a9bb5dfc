"""Measuring a model again on the pinned test blocks, and holding it against all that was told of it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outcrop.errors import RecordError
from outcrop.learning.evaluation import score_network
from outcrop.learning.metrics import Scored, measure
from outcrop.learning.models import CONFIG, WEIGHTS, Model, load_model
from outcrop.record.archives import Archive
from outcrop.record.audits import Audit, Chain, locate
from outcrop.record.records import Record
from tasks.pinning import Pinned, Pins

#: Other machines and other threads add in another order: what that may change.
TOLERANCE = 1e-3
COMPARED = ("macro_f1", "overall_accuracy", "average_accuracy", "kappa", "ece", "nll")
#: What an appraisal measures, and the validation of the sites that it measured on.
APPRAISED = {"here": "validated", "sources": "known"}
NEVER = "the model was never evaluated"


@dataclass(frozen=True)
class Told:
    """The metrics that a record tells of a model, and what they were measured with."""

    name: str
    metrics: Mapping[str, Any]
    pinned: Pinned


def told_of(chain: Chain, pins: Pins, archive: Archive) -> list[Told]:
    """All that was measured of the audited model."""
    found = []
    for _, record in chain.records("evaluation"):
        if role := role_in(record, chain.subject):
            found.append(Told(record.name, _read(record, "metrics.json", archive)[role], pins.of(record)))
    for _, record in chain.records("appraise"):
        said = _read(record, "appraisal.json", archive)
        for where, validation in APPRAISED.items():
            if said[where]:
                pinned = pins.of(record, validation)
                name = f"{record.name} at {', '.join(site.name for site in pinned.sites)}"
                found.append(Told(name, said[where]["adapted"], pinned))
    return found


def check_scores(audit: Audit, chain: Chain, pins: Pins, archive: Archive, scratch: Path) -> None:
    """The model gives on the pinned test blocks what was recorded of it."""
    told = told_of(chain, pins, archive)
    if not told:
        audit.skip("metrics", "measured again", NEVER)
        return
    again = Again(served_model(chain.lineage.records[chain.subject], archive), scratch / "work")
    for each in told:
        found = again.measure(each.pinned)
        said = f"macro-F1 {found['macro_f1']:.4f} on {found['blocks']} blocks, recorded {each.metrics['macro_f1']:.4f}"
        audit.ask("metrics", f"{each.name} measured again", differences(each.metrics, found), said)


class Again:
    """A model that is scored once on the same cells, however often it is asked for."""

    def __init__(self, model: Model, work: Path) -> None:
        self._model, self._work = model, work
        self._scored: list[tuple[Pinned, Scored]] = []

    def measure(self, pinned: Pinned) -> dict[str, Any]:
        """Metrics on the pinned test blocks, by the pinned parameters."""
        chosen = pinned.params.evaluate
        names, scored = self._model.config.classes, self._score(pinned)
        return measure(scored, names, bins=chosen.bins, draws=1, seed=pinned.params.seed)

    def _score(self, pinned: Pinned) -> Scored:
        for earlier, scored in self._scored:
            if earlier.census is pinned.census and earlier.params.evaluate == pinned.params.evaluate:
                return scored
        scored = score_network(pinned.to_score(self._work), self._model)
        self._scored.append((pinned, scored))
        return scored


def differences(recorded: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[str]:
    """Metrics that differ by more than what another machine may change, in words."""
    for name in COMPARED:
        if name in recorded and not abs(recorded[name] - found[name]) <= TOLERANCE:
            yield f"{name} is {found[name]:.4f}, recorded is {recorded[name]:.4f}"
    if recorded.get("cells", found["cells"]) != found["cells"]:
        yield f"{found['cells']} cells are scored, recorded are {recorded['cells']}"


def role_in(evaluation: Record, model: str) -> str:
    """Under which name an evaluation speaks of a model; empty where it does not."""
    roles = [role for role, parent in evaluation.inputs.items() if parent == model and role.startswith("models/")]
    return roles[0].removeprefix("models/") if roles else ""


def _read(record: Record, name: str, archive: Archive) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(locate(archive, record.files[name].path).read_text(encoding="utf-8"))
    return found


def served_model(record: Record, archive: Archive) -> Model:
    """The model whose files a record names.

    Raises
    ------
    RecordError : it names none.
    """
    if WEIGHTS not in record.files or CONFIG not in record.files:
        raise RecordError(f"{record.kind} {record.name} names no weights", remedy="audit a model")
    return load_model(locate(archive, record.files[WEIGHTS].path).parent)
