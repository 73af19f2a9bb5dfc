"""Step `compare`: what each rung keeps of the teacher, and what its sensors cost, over all seeds."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import numpy as np

from outcrop.field import ladder_charts as charts
from outcrop.field.sensor_costs import RungCost, declared_costs, rung_cost
from outcrop.learning.ladders import CheapestRung, Ladder, Method, Outcome, cheapest_rung, dump_ladder, measure_ladder
from outcrop.learning.material import Material
from outcrop.learning.recalls import split_recall
from outcrop.record.comparison import Comparison, Line, Sensors, write_comparison
from outcrop.record.formats import Picture
from tasks.jobs import Job
from tasks.learning import gather
from tasks.score import ATTENTION, SHADOW, read_scores
from tasks.steps import Reference, refer, results_of, step

SECTIONS = ("distil", "evaluate")
FACTS, PAGE = "ladder.json", "comparison.html"
#: The class that shadow hides from a camera, for it is as dark.
HIDDEN = "olivine"
#: Students that are told of in sentences, and whose recall in shadow is measured.
TOLD: Method = "progressive"


@step("compare")
def compare(job: Job, key: str, validated: Reference, scored: Mapping[int, Reference]) -> dict[str, str]:
    """Measure the ladder from the scores of every seed."""
    with job.tracker.step(job.parent, "compare", key) as run, results_of(job.workspace, "compare", key) as folder:
        study = _Study(job, gather(job, validated), scored)
        (folder / FACTS).write_text(json.dumps(study.facts(), indent=1))
        pictures = study.pictures()
        for name, picture in pictures.items():
            (folder / name).write_bytes(picture.data)
        write_comparison(study.page(list(pictures.values())), folder / PAGE)
        for rung, result in study.ladder.rungs.items():
            found = {method: outcome.scores.macro_f1.value for method, outcome in result.methods.items()}
            run.metrics({rung: found})
        run.files(sorted(folder.iterdir()))
    return refer(job.workspace, "compare", key, run.run_id)


def read_facts(reference: Reference, job: Job) -> dict[str, Any]:
    """What the step found."""
    facts: dict[str, Any] = json.loads((reference.path(job.workspace) / FACTS).read_text())
    return facts


@dataclass(frozen=True)
class _Study:
    """The scores of all seeds, and what follows from them."""

    job: Job
    material: Material
    scored: Mapping[int, Reference]

    @cached_property
    def ladder(self) -> Ladder:
        params = self.job.params.evaluate
        return measure_ladder(
            ((seed, read_scores(made, self.job)) for seed, made in self.scored.items()),
            self.material.census.class_names,
            bins=params.bins,
            draws=params.bootstrap,
            seed=self.job.params.seed,
        )

    @cached_property
    def costs(self) -> dict[str, RungCost]:
        declared = declared_costs(self.job.survey)
        return {rung.name: rung_cost(rung.modalities, declared) for rung in self.material.chain}

    @property
    def watts(self) -> dict[str, float | None]:
        return {rung: cost.power_w.typical if cost.power_w else None for rung, cost in self.costs.items()}

    @property
    def dollars(self) -> dict[str, float | None]:
        return {rung: cost.price_usd.typical if cost.price_usd else None for rung, cost in self.costs.items()}

    @cached_property
    def choice(self) -> CheapestRung:
        return cheapest_rung(self.ladder, self.watts, TOLD)

    @cached_property
    def attention(self) -> np.ndarray:
        seeds = np.stack([np.load(made.path(self.job.workspace) / ATTENTION) for made in self.scored.values()])
        return np.asarray(seeds.mean(axis=0))

    def facts(self) -> dict[str, Any]:
        """Everything, as JSON has it."""
        return {
            **dump_ladder(self.ladder),
            "costs": {rung: asdict(cost) for rung, cost in self.costs.items()},
            "cheapest": asdict(self.choice),
            "attention": {
                name: dict(zip(self.material.top.modalities, row.tolist(), strict=True))
                for name, row in zip(self.material.census.class_names, self.attention, strict=True)
                if np.isfinite(row).all()
            },
            "in_shadow": self._recall_in_shadow(),
            "answers": self.answers(),
        }

    def _recall_in_shadow(self) -> dict[str, Any] | None:
        """Recall of `HIDDEN` in shadow and in light, by rung; None where no truth tells of shadow."""
        masks = [made.path(self.job.workspace) / SHADOW for made in self.scored.values()]
        if HIDDEN not in self.material.census.class_names or not masks[0].exists():
            return None
        seeds = [read_scores(made, self.job) for made in self.scored.values()]
        models = {"teacher": [seed.teacher for seed in seeds]}
        models |= {rung: [seed.students[rung][TOLD] for seed in seeds] for rung in self.ladder.rungs}
        label, mask = self.material.census.class_names.index(HIDDEN), np.load(masks[0])
        draws, seed = self.job.params.evaluate.bootstrap, self.job.params.seed
        return {
            name: asdict(split_recall(scores, label, mask, draws=draws, seed=seed)) for name, scores in models.items()
        }

    def answers(self) -> tuple[str, ...]:
        """Which sensors can stay at home, and what that costs; then what RGB, the last rung, is worth."""
        chosen, top = self.choice, self.material.top.name
        if chosen.rung is None:
            first = f"No rung keeps {chosen.share:.1%} of the teacher's macro-F1: no sensor can stay at home for free."
            if chosen.left_out:
                unjudged = "; ".join(f"{rung}: {reason}" for rung, reason in chosen.left_out.items())
                first = f"No rung that could be judged keeps {chosen.share:.1%} of the teacher's macro-F1 ({unjudged})."
        else:
            kept = chosen.retention
            assert kept is not None
            sure = "" if chosen.certain else f", though for certain only {kept.low:.1%}"
            first = (
                f"With {chosen.rung} alone {kept.value:.1%} of the teacher's macro-F1 is kept{sure}: "
                f"{_less('W', self.watts[chosen.rung], self.watts[top])} of sensors, "
                f"{_less('USD', self.dollars[chosen.rung], self.dollars[top])}."
            )
        last = self.material.last.name
        outcome = self.ladder.rungs[last].methods[TOLD]
        gain = outcome.over["control"].difference
        return (
            first,
            f"{last} keeps {outcome.retention.value:.1%} ({outcome.retention.low:.1%} to "
            f"{outcome.retention.high:.1%}); distillation is worth {gain.value:+.3f} macro-F1 there "
            f"({gain.low:+.3f} to {gain.high:+.3f}) over the same network on labels alone.",
        )

    def pictures(self) -> dict[str, Picture]:
        """The charts, by file name."""
        names = self.material.census.class_names
        return {
            "power.png": Picture(charts.power_picture(self.ladder, self.watts), charts.POWER_TITLE),
            "retention.png": Picture(charts.class_retention_picture(self.ladder), charts.RETENTION_TITLE),
            "attention.png": Picture(
                charts.attention_picture(self.attention, names, self.material.top.modalities), charts.ATTENTION_TITLE
            ),
        }

    def page(self, pictures: list[Picture]) -> Comparison:
        """What the page shows."""
        teacher = self.ladder.teacher
        lines = [
            _line(rung, charts.STROKES[method].words, outcome)
            for rung, result in self.ladder.rungs.items()
            for method, outcome in result.methods.items()
        ]
        top = Line(
            self.material.top.name,
            "teacher",
            teacher.macro_f1.value,
            teacher.macro_f1.interval,
            1.0,
            (1.0, 1.0),
            None,
            None,
            teacher.worst_class,
            teacher.worst_f1.value,
        )
        survey = self.job.survey
        return Comparison(
            title=survey.title or survey.survey,
            created=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            answers=self.answers(),
            teacher=top,
            lines=lines,
            sensors=[_sensors(rung, cost) for rung, cost in self.costs.items()],
            pictures=pictures,
            seeds=self.ladder.seeds,
            blocks=self.ladder.blocks,
        )


def _less(unit: str, value: float | None, whole: float | None) -> str:
    known = [f"{number:,.0f} {unit}" if number is not None else f"unknown {unit}" for number in (value, whole)]
    return " instead of ".join(known)


def _line(rung: str, method: str, outcome: Outcome) -> Line:
    gain = outcome.over["control"].difference if "control" in outcome.over else None
    scores = outcome.scores
    return Line(
        rung,
        method,
        scores.macro_f1.value,
        scores.macro_f1.interval,
        outcome.retention.value,
        outcome.retention.interval,
        gain.value if gain else None,
        gain.interval if gain else None,
        scores.worst_class,
        scores.worst_f1.value,
    )


def _sensors(rung: str, cost: RungCost) -> Sensors:
    power, price = cost.power_w, cost.price_usd
    totals = [total for total in (power, price) if total]
    sources = tuple(dict.fromkeys(f"{figure.sensor}: {figure.source}" for total in totals for figure in total.figures))
    return Sensors(
        rung,
        power.typical if power else None,
        (power.low, power.high) if power else None,
        price.typical if price else None,
        (price.low, price.high) if price else None,
        sources,
    )
