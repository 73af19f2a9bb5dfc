"""Step `decide`: adopt the adapted model, keep the source model, or refuse; in words, with the reason."""

import json
from dataclasses import asdict
from typing import Any

from outcrop.learning.adaptation.decision import Accuracy
from outcrop.learning.adaptation.decision import decide as judge
from tasks.adapt import Newcomer, read_adaptation
from tasks.appraise import AFTER, read_appraisal
from tasks.jobs import Job
from tasks.steps import Reference, refer, results_of, step

SECTIONS = ("onboard",)
DECISION = "decision.json"


@step("decide")
def decide(job: Job, key: str, newcomer: Newcomer, adapted: Reference, appraised: Reference) -> dict[str, str]:
    """Decide from the labels alone; what the test blocks say stands beside it."""
    with (
        job.tracker.step(job.parent, "decide", key, f"decide {newcomer.site}") as run,
        results_of(job.workspace, "decide", key) as folder,
    ):
        facts, measured = read_adaptation(adapted, job), read_appraisal(appraised, job)
        params, accuracy = job.params.onboard, Accuracy(**facts["accuracy"])
        decision = judge(accuracy, params.accuracy, params.confidence, facts["way"] if facts["changed"] else None)
        here = measured["here"] and measured["here"][AFTER]
        told = {
            **asdict(decision),
            "accuracy": facts["accuracy"],
            "needed": params.accuracy,
            "confidence": params.confidence,
            "held_out": here and [here["overall_accuracy"], *here["interval"]["overall_accuracy"]],
        }
        (folder / DECISION).write_text(json.dumps(told, indent=1))
        run.tags({"outcome": decision.outcome, "reason": decision.reason})
        run.files([folder / DECISION])
    return refer(job.workspace, "decide", key, run.run_id)


def read_decision(reference: Reference, job: Job) -> dict[str, Any]:
    """What was decided."""
    facts: dict[str, Any] = json.loads((reference.path(job.workspace) / DECISION).read_text())
    return facts
