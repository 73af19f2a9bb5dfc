"""Choose the parameters of `onboard`: one source site at a time plays the new one, scored on its validation blocks.

No site that is reported on is looked at. One parameter is changed at a time, from the defaults of ``params.yaml``. The
models that lack a site are trained once and kept in the workspace's state folder.

    python -m benchmarks.rehearsals
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.newcomers import REHEARSALS, Stage
from outcrop.learning.adaptation.adapted import adapt_to
from outcrop.learning.adaptation.curves import Drawn, Reference, draw_labels, headline, look_at_cells
from outcrop.learning.adaptation.evidence import SOURCE, Evidence, gather_evidence, prepared
from outcrop.learning.evaluation import cells_to_score
from outcrop.params import Onboard
from tasks.workspace import Workspace, find_workspace

HERE = Path(__file__).parent
LABELS = 20
ALONE, TAUGHT = "labels alone", "with the teacher"
#: What is tried instead of the default, by whether the teacher can help.
TRIED: dict[str, list[dict[str, Any]]] = {
    TAUGHT: [
        {},
        {"rungs_with_teacher": ["batch_norm", "redistilled"]},
        {"rungs_with_teacher": ["batch_norm", "prototypes", "logistic", "redistilled"]},
        *({"forgetting": value} for value in (0.005, 0.01, 0.03, 0.05, 1.0)),
        *({"teacher_strength": value} for value in (7.0, 60.0)),
        *({"ridge": value} for value in (0.3, 3.0, 30.0, 100.0)),
        *({"smoothing": value} for value in (0.05, 0.2)),
        *({"balance": value} for value in (0.0, 1.0)),
    ],
    ALONE: [
        {},
        *({"rungs": [way]} for way in ("batch_norm", "prototypes", "logistic")),
        {"rungs": ["batch_norm", "logistic"]},
        {"rungs": ["fine_tuned"]},
        *({"prototype_prior": value} for value in (10.0, 100.0, 300.0)),
        *({"strengths": [value]} for value in (10.0, 30.0, 100.0, 300.0)),
    ],
}


@dataclass(frozen=True)
class Rehearsal:
    """A source site that its models have never seen: what is known of it, labels to draw, and cells to score."""

    name: str
    evidence: Evidence
    drawn: Drawn
    reference: Reference
    home: Reference

    @classmethod
    def prepare(cls, stage: Stage, seed: int) -> "Rehearsal":
        """Look at the site once."""
        site, sources = stage.site, stage.sources
        evidence = gather_evidence(site, sources, stage.student, stage.teacher, seed)
        drawn = draw_labels(site, stage.student, stage.teacher, evidence, seed)
        here, home = (look_at_cells(m, cells_to_score(m, "val"), stage.student, evidence) for m in (site, sources))
        return cls(stage.newcomer.name, evidence, drawn, here, home)

    def play(self, params: Onboard, taught: bool, seed: int) -> list[dict[str, float]]:
        """Adapt to every draw with some parameters: gains over the unadapted model, here and at home."""
        evidence, support = prepared(self.evidence, params), self.drawn.support
        support = support if taught else replace(support, teacher=None)
        base = evidence.bases[SOURCE].head
        start, home = (headline(cells.scored(base, SOURCE)) for cells in (self.reference, self.home))
        rows = []
        for draw, places in enumerate(self.drawn.draws):
            adapted = adapt_to(evidence, support.take(places[:LABELS]), params, len(base.bias), seed + draw)
            here, kept = (
                headline(cells.scored(adapted.head, adapted.base, adapted.network))
                for cells in (self.reference, self.home)
            )
            low, high = adapted.accuracy.low, adapted.accuracy.high
            rows.append(
                {
                    "macro_f1": here[0] - start[0],
                    "accuracy": here[1] - start[1],
                    "home": kept[0] - home[0],
                    "covered": float(low <= here[1] <= high),
                    "changed": float(adapted.changed),
                }
            )
        return rows


def main() -> None:
    """Play every rehearsal with every parameter, print and keep what was found."""
    workspace = find_workspace(HERE)
    found = rehearse(workspace)
    path = workspace.state / "onboarding" / "rehearsals.json"
    path.write_text(json.dumps(found, indent=1))
    for row in found:
        values = "  ".join(f"{name} {row[name]:+.3f}" for name in ("macro_f1", "lowest", "accuracy", "home", "covered"))
        print(f"{row['mode']:<17} {row['changes'] or 'defaults'!s:<75} {values}")


def rehearse(workspace: Workspace, draws: int = 20) -> list[dict[str, Any]]:
    """One row a set of parameters: means over sites and draws, and the 5th percentile of the gain in macro-F1."""
    asked = {"curve": [LABELS], "draws": draws, "rungs": ["batch_norm", "fine_tuned"]}
    stages = [Stage(each, workspace, asked) for each in REHEARSALS]
    params = stages[0].site.params
    rehearsals = [Rehearsal.prepare(stage, params.seed) for stage in stages]
    defaults = Stage(REHEARSALS[0], workspace, {"curve": [LABELS], "draws": draws}).site.params.onboard
    rows = []
    for mode, tried in TRIED.items():
        for changes in tried:
            chosen = Onboard.model_validate({**defaults.model_dump(), **changes})
            played = [each.play(chosen, mode == TAUGHT, params.seed) for each in rehearsals]
            rows.append({"mode": mode, "changes": changes, "draws": draws, "labels": LABELS, **_summary(played)})
    return rows


def _summary(played: list[list[dict[str, float]]]) -> Mapping[str, Any]:
    rows = [row for rehearsal in played for row in rehearsal]
    means = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    worst = float(np.percentile([row["macro_f1"] for row in rows], 5))
    by_site = [float(np.median([row["macro_f1"] for row in rehearsal])) for rehearsal in played]
    return {**means, "lowest": worst, "by_site": by_site}


if __name__ == "__main__":
    main()
