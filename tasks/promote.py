"""Task `promote`: a student meets the champion; every decision is recorded first."""

from collections.abc import Mapping
from dataclasses import asdict

import numpy as np
from prefect import task
from prefect.cache_policies import NO_CACHE

from outcrop.errors import RecordError
from outcrop.learning.evaluation import load_scores, score_network
from outcrop.learning.gates import Burden, Judgement, judge, over_budget
from outcrop.learning.models import load_model
from outcrop.record.lineages import Lineage
from tasks.champions import MOVED, Decision, crown, decide, note_head, settled_champion
from tasks.evaluate import read_metrics
from tasks.facts import block_names
from tasks.forest import SCORES
from tasks.jobs import Job
from tasks.learning import gather, model_digest
from tasks.records import archive_of, record_of
from tasks.steps import Reference
from tasks.tracking import Registry, Version


@task(name="promote", cache_policy=NO_CACHE)
def promote(job: Job, validated: Reference, evaluated: Reference, student: Reference) -> Decision:
    """Let the student of a run meet the champion.

    Raises
    ------
    RecordError : the champion is not the one that the ledger promoted last.
    """
    registry = Registry.require(job.workspace)
    name, digest = f"{job.survey.survey}-student", model_digest(student, job.workspace)
    challenger = next(found for found in registry.versions() if (found.name, found.digest) == (name, digest))
    champion = settled_champion(job.workspace, registry, name)
    if champion is not None and champion.digest == challenger.digest:
        note_head(job.workspace, registry, name)
        return Decision("kept", "it is the champion already", champion.version, champion.record)
    lineage = Lineage(archive_of(job.workspace))
    # Trained again, a model that is the same keeps the version, and with it the record, that it has.
    inputs = {"challenger": challenger.record or "", "evaluation": record_of(job.workspace, evaluated.run_id)}
    inputs |= {"champion": champion.record} if champion and champion.record else {}
    if earlier := _earlier(lineage, inputs):
        reason = lineage.records[earlier].facts["reason"]
        note_head(job.workspace, registry, name)
        return Decision("kept", f"decided before: {reason}", champion.version if champion else None, earlier)
    metrics = read_metrics(evaluated.path(job.workspace))["student"]
    burden = Burden(metrics["latency_ms_p50"], metrics["bytes"])
    if gone := lineage.retracted(challenger.record or ""):
        judged = Judgement("kept", f"{gone.name} was retracted: {gone.facts['because']}")
    elif champion is None:
        vetoes = over_budget(burden, job.params.promote)
        judged = Judgement("kept", "; ".join(vetoes)) if vetoes else Judgement("promoted", "there was no champion")
    else:
        judged = _meet(job, validated, evaluated, registry, champion, burden, lineage)
    facts = {**asdict(judged), "burden": asdict(burden), "by": "gate", "because": judged.reason}
    if judged.verdict == "promoted":
        return crown(job.workspace, job.survey.survey, registry, challenger, inputs, facts)
    kept = decide(job.workspace, job.survey.survey, "refusal", challenger, inputs, facts)
    note_head(job.workspace, registry, name)
    return Decision(judged.verdict, judged.reason, champion.version if champion else None, kept)


def _meet(
    job: Job,
    validated: Reference,
    evaluated: Reference,
    registry: Registry,
    champion: Version,
    burden: Burden,
    lineage: Lineage,
) -> Judgement:
    """The champion's scores on the challenger's test blocks, and what the gate says of both."""
    material = gather(job, validated)
    folder = registry.folder(champion)
    if folder is None:
        raise RecordError("the champion's files are gone from the registry", where=champion.uri, remedy=MOVED)
    served = load_model(folder)
    if served.config.classes != material.census.class_names:
        return Judgement("inconclusive", "the champion knows another vocabulary")
    lacking = [entry.modality for entry in served.config.inputs if entry.modality not in job.survey.modalities]
    if lacking:
        return Judgement("inconclusive", f"the champion needs {lacking[0]}, which the survey lacks")
    if seen := _seen_blocks(lineage, champion) & set(block_names(job.sites, material.census)["test"]):
        return Judgement("inconclusive", f"the champion was trained on {len(seen)} of the test blocks")
    challenger = load_scores(evaluated.path(job.workspace) / SCORES)["student"]
    blocks = material.census.blocks
    return judge(
        score_network(material, served),
        challenger,
        material.census.class_names,
        [job.sites[blocks[block].site].name for block in np.unique(challenger.blocks)],
        burden,
        job.params.promote,
        bins=job.params.evaluate.bins,
        seed=job.params.seed,
    )


def _seen_blocks(lineage: Lineage, model: Version) -> set[str]:
    """The blocks that a model, or what it was made from, was trained or chosen on."""
    if model.record not in lineage.records:
        return set()
    seen: set[str] = set()
    for name in lineage.ancestors(model.record):
        blocks = lineage.records[name].facts.get("blocks", {}) if name in lineage.records else {}
        seen |= {*blocks.get("train", ()), *blocks.get("val", ())}
    return seen


def _earlier(lineage: Lineage, inputs: Mapping[str, str]) -> str | None:
    """What was decided of the same two models before; a champion that was rolled back does not come back by itself."""
    for name in reversed(lineage.of_kind("promotion", "refusal")):
        record = lineage.records[name]
        same = record.inputs.get("champion") == inputs.get("champion")
        if record.facts["by"] == "gate" and same and record.inputs["challenger"] == inputs["challenger"]:
            return name
    return None
