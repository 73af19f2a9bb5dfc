"""Training a model again, and all that it was made from: from the pinned bytes and parameters, to compare."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from outcrop.learning.devices import device_kind
from outcrop.learning.distillation import Lesson, train_by_distillation, write_guide
from outcrop.learning.material import Material
from outcrop.learning.models import Model, load_model, save_model
from outcrop.learning.recipes import train_on_labels
from outcrop.learning.rungs import Rung
from outcrop.learning.training import Progress
from outcrop.params import Params
from outcrop.record.archives import Archive
from outcrop.record.audits import Audit, Chain, locate
from outcrop.record.digests import digest_file, digest_folder
from outcrop.record.provenance import code_digest
from outcrop.record.records import Making, Record
from outcrop.settings import merge
from tasks.adapt import fit, look, read_usable
from tasks.facts import LABELS
from tasks.learning import EpochBar
from tasks.pinning import Pins
from tasks.records import archive_of
from tasks.reevaluate import NEVER, Again, told_of
from tasks.workspace import Workspace

#: Other threads and machines add in another order, and training amplifies it: what that may change in macro-F1.
TOLERANCE = 0.03


@dataclass
class Stage:
    """What a replay has made so far, by record: folders of models and of what guides say."""

    pins: Pins
    archive: Archive
    scratch: Path
    folders: dict[str, Path]

    def material(self, record: Record, made: Making, role: str = "validated") -> Material:
        """The material of a step, by the parameters in its key; ``role``: that of the validation of its sites."""
        pinned = self.pins.of(record, role)
        params = Params.model_validate(merge(pinned.params.dump(), made.ingredients["params"]))
        return replace(pinned, params=params).material(self.scratch / "work")

    def inputs(self, record: Record, role: str) -> list[Path]:
        """Folders of what a record was made from in a role, in order."""
        roles = [each for each in record.inputs if each.partition("/")[0] == role]
        return [self.folders[record.inputs[each]] for each in sorted(roles, key=_place)]


def _place(role: str) -> int:
    return int(role.rpartition("/")[2]) if "/" in role else 0


def _on_labels(stage: Stage, record: Record, made: Making, tell: Progress) -> Model:
    material = stage.material(record, made)
    return train_on_labels(_rung(material, made), material, made.key, tell).model


def _distilled(stage: Stage, record: Record, made: Making, tell: Progress) -> Model:
    material, how = stage.material(record, made), made.ingredients["inputs"]
    lesson = Lesson(_rung(material, made), how["effort"], how["shuffled"])
    return train_by_distillation(stage.inputs(record, "guides"), lesson, material, made.key, tell).model


def _adapted(stage: Stage, record: Record, made: Making, tell: Progress) -> Model:
    site, sources = stage.material(record, made), stage.material(record, made, "known")
    (student,), teachers = stage.inputs(record, "student"), stage.inputs(record, "teacher")
    opened = look(site, sources, load_model(student), load_model(teachers[0]) if teachers else None)
    allowed = made.ingredients["inputs"]["new_classes"] == str(True)
    labels = _labels(record, stage.archive, stage.scratch)
    usable = read_usable(opened, stage.pins.of(record).survey, labels, allow_new_classes=allowed)
    return fit(opened, usable).model


def _labels(record: Record, archive: Archive, scratch: Path) -> Path:
    """The labels of an adaptation, laid out as they were: a Shapefile's parts beside each other."""
    folder = scratch / "replay" / f"labels-{record.id}"
    folder.mkdir(parents=True)
    names = [name for name in record.files if Path(name).stem == LABELS]
    for name in names:
        shutil.copyfile(locate(archive, record.files[name].path), folder / name)
    return folder / (f"{LABELS}.shp" if f"{LABELS}.shp" in names else names[0])


def _rung(material: Material, made: Making) -> Rung:
    return next(rung for rung in material.chain if list(rung.modalities) == made.ingredients["inputs"]["rung"])


#: How the model of a step is made again.
TRAININGS: Mapping[str, Callable[[Stage, Record, Making, Progress], Model]] = {
    "teacher": _on_labels,
    "control": _on_labels,
    "distil": _distilled,
    "adapt": _adapted,
}


def check_replay(audit: Audit, chain: Chain, pins: Pins, workspace: Workspace, scratch: Path) -> None:
    """Train the subject again, and what it was made from; compare digests, and the subject's metrics."""
    if reason := next(_obstacles(chain, workspace), None):
        audit.skip("replay", "trained again", reason)
        return
    stage = Stage(pins, archive_of(workspace), scratch, {})
    for name in (*chain.ancestors, chain.subject):
        record = chain.lineage.records[name]
        if record.made is None or record.kind == "validation":
            continue
        stage.folders[name] = folder = scratch / "replay" / name
        if record.made.step == "guide":
            folder.mkdir(parents=True)
            write_guide(_replayed(stage, record), stage.material(record, record.made), folder)
            continue
        with EpochBar(
            f"Training again: {record.name}", _epochs(stage.material(record, record.made), record.made)
        ) as bar:
            model = TRAININGS[record.made.step](stage, record, record.made, bar.tell)
        save_model(model, folder)
        same = digest_folder(folder) == record.made.digests["model"]
        told = "the same bytes" if same else "other bytes than recorded: judged by the metrics"
        audit.ask("replay", record.name, [], told)
    _compare(audit, chain, stage)


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
            elif made.step == "adapt" and not any(Path(file).stem == LABELS for file in record.files):
                yield f"the labels of {record.name} were not recorded"
            elif code_digest(f"tasks.{made.step}") != made.ingredients["code"]:
                yield f"the code of step {made.step} has changed since{commit}"
            elif made.ingredients["lock"] != (digest_file(lock) if lock.is_file() else None):
                yield f"the lock file has changed since{commit}"
            elif made.ingredients["device"] != device_kind():
                yield f"it was trained on another kind of device: {made.ingredients['device']}"


def _replayed(stage: Stage, guide: Record) -> Model:
    (folder,) = stage.inputs(guide, "made")
    return load_model(folder)


def _epochs(material: Material, made: Making) -> int:
    """How long the bar is; an adaptation has no epochs to tell of."""
    if made.step == "adapt":
        return 1
    role, effort = material.role(_rung(material, made)), made.ingredients["inputs"].get("effort", 1.0)
    return material.params.train.epochs.of(role, effort)


def _compare(audit: Audit, chain: Chain, stage: Stage) -> None:
    told = told_of(chain, stage.pins, stage.archive)
    if not told:
        audit.skip("replay", "metrics", NEVER)
        return
    again = Again(load_model(stage.folders[chain.subject]), stage.scratch / "work")
    for each in told:
        found, recorded = again.measure(each.pinned)["macro_f1"], each.metrics["macro_f1"]
        said = f"macro-F1 {found:.4f}, recorded {recorded:.4f}"
        faults = [f"{said}: off by more than {TOLERANCE}"] if abs(found - recorded) > TOLERANCE else []
        audit.ask("replay", "metrics" if len(told) == 1 else f"metrics, {each.name}", faults, said)
