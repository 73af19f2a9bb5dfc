"""What the flows record of themselves: the sites they start from, and every step they run."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from outcrop.learning.contenders import Result
from outcrop.record.digests import digest_folder
from outcrop.record.provenance import package_versions
from outcrop.record.records import Making, NamedFile
from outcrop.settings import merge
from outcrop.survey.census import load_census
from outcrop.survey.sites import Site
from tasks.adapt import Newcomer
from tasks.data import tracked_files
from tasks.facts import RAW, block_names, label_files
from tasks.jobs import Job
from tasks.learning import MODEL, model_digest, read_model_uri
from tasks.raw import Origin
from tasks.records import archive_of, keep, record_of
from tasks.steps import Outcome, Reference
from tasks.tracking import RECORD
from tasks.validate import census_digest

#: What kind of thing a step makes; others are called as the step.
KINDS = {
    "validate": "validation",
    "evaluate": "evaluation",
    "teacher": "model",
    "control": "model",
    "distil": "model",
    "adapt": "model",
}
#: The page tells of what is recorded; it is no part of it.
UNRECORDED = ("report",)


def keep_step(
    job: Job,
    title: str,
    made: Reference,
    ingredients: Mapping[str, Any],
    inputs: Mapping[str, Any],
    search: str | None = None,
) -> str | None:
    """Record a step that was run or found done, once; the run in MLflow names the record.

    ``search`` is the record of the search that its parameters come from, if it reads any of them.
    """
    if made.step in UNRECORDED:
        return None
    archive = archive_of(job.workspace)
    if archive.exists and (found := archive.find(made.run_id)):
        return found
    parents = {role: record_of(job.workspace, parent.run_id) for role, parent in _references("", inputs)}
    labels: dict[str, Path] = {}
    for given in inputs.values():
        if isinstance(given, Newcomer):
            parents |= given.records
            labels, title = label_files(given.labels), f"{title} {given.site}"
    if not parents:
        parents = {site.name: keep_site(job, site) for site in job.sites}
    if search and set(archive.read(search).facts["winner"]) & set(ingredients["params"]):
        parents["search"] = search
    files, facts, digests = _model(job, made) if _is_model(job, made) else ({}, {}, {})
    if made.step == "validate":
        digests["census"] = census_digest(made, job.workspace)
        facts["blocks"] = block_names(job.sites, load_census(made.path(job.workspace)))
    folder = made.path(job.workspace)
    origin = job.tracker.origin(made.run_id)
    record = keep(
        job.workspace,
        job.survey.survey,
        KINDS.get(made.step, made.step),
        title,
        made.run_id,
        inputs=parents,
        files=files | _pinned(job),
        evidence=labels | {path.name: path for path in sorted(folder.glob("*.json"))},
        facts=facts,
        made=Making(
            step=made.step,
            key=made.key,
            ingredients=dict(ingredients),
            digests={"folder": made.digest, **digests},
            run=made.run_id,
            commit=origin.sha,
            dirty=origin.dirty,
            packages=package_versions(),
        ),
    )
    job.tracker.of(made.run_id).tags({RECORD: record})
    return record


def keep_search(job: Job, found: Result, context: str, census: Reference, guides: Sequence[Reference]) -> str:
    """Record a search by all that its result depends on."""
    folder = job.workspace.state / "work" / job.parent
    folder.mkdir(parents=True, exist_ok=True)
    trials = folder / "search.json"
    trials.write_text(json.dumps(found.dump(), indent=1), encoding="utf-8")
    parents = {"validated": record_of(job.workspace, census.run_id)}
    parents |= {f"guides/{n}": record_of(job.workspace, each.run_id) for n, each in enumerate(guides, 1)}
    facts = {"winner": found.winner.candidate.changes(), "found_by": found.found_by}
    return keep(
        job.workspace,
        job.survey.survey,
        "search",
        "search",
        context,
        inputs=parents,
        evidence={"search.json": trials},
        facts=facts,
    )


def search_behind(job: Job, changes: Mapping[str, Any]) -> str | None:
    """The record of the last search whose winner a run takes: all that it found is among what the run changes.

    The values tell, not the file that brought them: a copy of it, or the same values by hand, come from the search too.
    """
    archive = archive_of(job.workspace)
    if not archive.exists:
        return None
    for entry, record in reversed(list(archive.of_kind("search"))):
        winner = record.facts["winner"]
        if record.survey == job.survey.survey and winner and merge(changes, winner) == changes:
            return entry.record
    return None


def keep_site(job: Job, site: Site) -> str:
    """Record a site as it is, by the hash under which DVC knows it, and the raw files that it was ingested from."""
    archive, dvc = archive_of(job.workspace), job.hashes[site.name]
    raw = _raw_of(job, site.name)
    found = archive.find(dvc, "dataset") if archive.exists else None
    if found and (raw is None or archive.read(found).facts.get(RAW) is not None):
        return found
    md5 = tracked_files(job.workspace, dvc)
    files = {name: NamedFile.of(site.path / name, job.workspace.root, md5[name]) for name in sorted(md5)}
    facts = {
        "scenes": sorted(scene.id for scene in site.scenes),
        "classes": [entry.name for entry in site.classes],
        "block": site.block,
        "buffer": site.buffer,
        RAW: raw,
    }
    return keep(job.workspace, job.survey.survey, "dataset", site.name, dvc, files=files, facts=facts)


def _raw_of(job: Job, site: str) -> dict[str, str] | None:
    """SHA-256 of a site's raw files, by path: none where a stage of DVC's makes it, None where they are not known."""
    if not job.survey.sites[site].scenes:
        return {}
    origin = Origin.read(job.workspace, site)
    return origin.raw if origin is not None and origin.dvc == job.hashes[site] else None


def _references(role: str, value: Any) -> Iterator[tuple[str, Reference]]:
    """All references among a step's inputs, by role."""
    if isinstance(value, Outcome):
        value = value.reference
    if isinstance(value, Reference):
        yield role, value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _references(f"{role}/{name}".lstrip("/"), inner)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for place, inner in enumerate(value, 1):
            yield from _references(f"{role}/{place}", inner)


def _is_model(job: Job, made: Reference) -> bool:
    return (made.path(job.workspace) / MODEL).is_dir()


def _model(job: Job, made: Reference) -> tuple[dict[str, Path | NamedFile], dict[str, Any], dict[str, str]]:
    """The files of a model as the registry serves them, what it is, and its digest."""
    served = job.tracker.model_folder(read_model_uri(made, job.workspace))
    digest = model_digest(made, job.workspace)
    if digest_folder(served) != digest:
        raise RuntimeError(f"MLflow did not keep the model of run {made.run_id} as it was given")
    config = json.loads((served / "model.json").read_text(encoding="utf-8"))
    facts = {
        "role": config["role"],
        "classes": config["classes"],
        "footprint": config["footprint"],
        "modalities": [entry["modality"] for entry in config["inputs"]],
    }
    return {path.name: path for path in sorted(served.iterdir())}, facts, {"model": digest}


def _pinned(job: Job) -> dict[str, Path | NamedFile]:
    """The parameters and the survey as they were, survey file, ``--set`` and search included."""
    folder = job.workspace.state / "work" / job.parent
    folder.mkdir(parents=True, exist_ok=True)
    kept: dict[str, Path | NamedFile] = {}
    for name, values in (("params", job.params.dump()), ("survey", job.survey.model_dump(mode="json", by_alias=True))):
        draft = folder / f"{name}.yaml"
        draft.write_text(yaml.safe_dump(values, sort_keys=False, allow_unicode=True), encoding="utf-8")
        kept[draft.name] = archive_of(job.workspace).keep_file(draft)
    return kept
