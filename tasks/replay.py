"""Training a model again, and all that it was made from: from the pinned bytes and parameters, to compare."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from outcrop.learning.devices import device_kind
from outcrop.learning.distillation import Lesson, train_by_distillation, write_guide
from outcrop.learning.evaluation import score_network
from outcrop.learning.material import Material
from outcrop.learning.models import Model, load_model, save_model
from outcrop.learning.recipes import Trained, train_on_labels
from outcrop.learning.rungs import Rung
from outcrop.learning.training import Progress
from outcrop.params import Params
from outcrop.record.audits import Audit, Chain
from outcrop.record.digests import digest_file, digest_folder
from outcrop.record.provenance import code_digest
from outcrop.record.records import Making, Record
from outcrop.settings import merge
from tasks.learning import EpochBar
from tasks.records import archive_of
from tasks.reevaluate import Pinned, evaluations_of, measured, recorded_metrics, role_in
from tasks.workspace import Workspace

#: Other threads and machines add in another order, and training amplifies it: what that may change in macro-F1.
TOLERANCE = 0.03


@dataclass
class Stage:
    """What a replay has made so far, by record: folders of models and of what guides say."""

    pinned: Pinned
    chain: Chain
    scratch: Path
    folders: dict[str, Path]

    def material(self, made: Making) -> Material:
        """The material of a step, with its own sections of the parameters."""
        params = Params.model_validate(merge(self.pinned.params.dump(), made.ingredients["params"]))
        return replace(self.pinned, params=params).material(self.scratch / "work")

    def inputs(self, record: Record, role: str) -> list[Path]:
        """Folders of what a record was made from in a role, in order."""
        roles = [each for each in record.inputs if each.partition("/")[0] == role]
        return [self.folders[record.inputs[each]] for each in sorted(roles, key=_place)]


def _place(role: str) -> int:
    return int(role.rpartition("/")[2]) if "/" in role else 0


def _on_labels(stage: Stage, record: Record, made: Making, tell: Progress) -> Trained:
    material = stage.material(made)
    return train_on_labels(_rung(material, made), material, made.key, tell)


def _distilled(stage: Stage, record: Record, made: Making, tell: Progress) -> Trained:
    material, how = stage.material(made), made.ingredients["inputs"]
    lesson = Lesson(_rung(material, made), how["effort"], how["shuffled"])
    return train_by_distillation(stage.inputs(record, "guides"), lesson, material, made.key, tell)


def _rung(material: Material, made: Making) -> Rung:
    return next(rung for rung in material.chain if list(rung.modalities) == made.ingredients["inputs"]["rung"])


#: How the model of a step is trained again.
TRAININGS: Mapping[str, Callable[[Stage, Record, Making, Progress], Trained]] = {
    "teacher": _on_labels,
    "control": _on_labels,
    "distil": _distilled,
}


def check_replay(audit: Audit, chain: Chain, pinned: Pinned, workspace: Workspace, scratch: Path) -> None:
    """Train the subject again, and what it was made from; compare digests, and the subject's metrics."""
    if reason := next(_obstacles(chain, workspace), None):
        audit.skip("replay", "trained again", reason)
        return
    stage = Stage(pinned, chain, scratch, {})
    for name in (*chain.ancestors, chain.subject):
        record = chain.lineage.records[name]
        if record.made is None or record.kind == "validation":
            continue
        stage.folders[name] = folder = scratch / "replay" / name
        if record.made.step == "guide":
            folder.mkdir(parents=True)
            write_guide(_replayed(stage, record), stage.material(record.made), folder)
            continue
        with EpochBar(f"Training again: {record.name}", _epochs(pinned.params, record.made)) as bar:
            trained = TRAININGS[record.made.step](stage, record, record.made, bar.tell)
        save_model(trained.model, folder)
        same = digest_folder(folder) == record.made.digests["model"]
        told = "the same bytes" if same else "other bytes than recorded: judged by the metrics"
        audit.ask("replay", record.name, [], told)
    _compare(audit, stage, workspace)


def _obstacles(chain: Chain, workspace: Workspace) -> Iterator[str]:
    """Why a replay would compare something else than what was recorded."""
    lock = workspace.root / "constraints.txt"
    for name in (*chain.ancestors, chain.subject):
        record = chain.lineage.records.get(name)
        if record is None:
            yield f"record {name[:12]} cannot be read"
        elif record.made is not None and record.kind != "validation":
            made = record.made
            commit = f"; check out commit {made.commit[:12]}" if made.commit else ""
            if made.step not in (*TRAININGS, "guide"):
                yield f"there is no replay of step {made.step}"
            elif code_digest(f"tasks.{made.step}") != made.ingredients["code"]:
                yield f"the code of step {made.step} has changed since{commit}"
            elif made.ingredients["lock"] != (digest_file(lock) if lock.is_file() else None):
                yield f"the lock file has changed since{commit}"
            elif made.ingredients["device"] != device_kind():
                yield f"it was trained on another kind of device: {made.ingredients['device']}"


def _replayed(stage: Stage, guide: Record) -> Model:
    (folder,) = stage.inputs(guide, "made")
    return load_model(folder)


def _epochs(params: Params, made: Making) -> int:
    values: Any = made.ingredients
    params = Params.model_validate(merge(params.dump(), values["params"]))
    if made.step == "teacher":
        return params.train.epochs.teacher * params.teacher.members
    return round(values["inputs"].get("effort", 1.0) * params.train.epochs.student)


def _compare(audit: Audit, stage: Stage, workspace: Workspace) -> None:
    chain = stage.chain
    material = stage.pinned.material(stage.scratch / "work")
    found = measured(score_network(material, load_model(stage.folders[chain.subject])), stage.pinned)
    evaluations = evaluations_of(chain)
    if not evaluations:
        audit.skip("replay", "metrics", "the model was never evaluated")
    for record in evaluations:
        recorded = recorded_metrics(record, archive_of(workspace))[role_in(record, chain.subject)]
        off = abs(found["macro_f1"] - recorded["macro_f1"])
        told = f"macro-F1 {found['macro_f1']:.4f}, recorded {recorded['macro_f1']:.4f}"
        audit.ask("replay", "metrics", [f"{told}: off by more than {TOLERANCE}"] if off > TOLERANCE else [], told)
