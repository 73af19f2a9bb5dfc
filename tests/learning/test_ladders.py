"""The ladder: every number against its definition, intervals paired over models and seeds, shares refused in time."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import f1_score

from outcrop.errors import DataError
from outcrop.learning.ladders import (
    CheapestRung,
    Ladder,
    Method,
    RungResult,
    Scored,
    SeedScores,
    cheapest_rung,
    dump_ladder,
    measure_ladder,
    parse_ladder,
)
from outcrop.learning.metrics import block_sums, bootstrap_weights, compare, measure, scalars

CLASSES = ("basalt", "olivine", "calcite", "gypsum")
CELLS, BLOCKS = 4000, 20
LABELS = np.random.default_rng(0).integers(0, 3, CELLS)  # no gypsum in the test
BLOCK = np.random.default_rng(1).permutation(np.arange(CELLS) % BLOCKS)
METHODS: dict[Method, float] = {
    "control": 0.5,
    "direct": 0.65,
    "direct_equal_compute": 0.66,
    "progressive": 0.75,
    "shuffled_teacher": 0.5,
}


def model(right: float, seed: int) -> Scored:
    """Right with a chance that differs from block to block alike for all models; else uniformly wrong."""
    rng = np.random.default_rng([9, seed])
    ease = np.random.default_rng(2).uniform(-0.15, 0.15, BLOCKS)[BLOCK]
    wrong = (LABELS + rng.integers(1, 4, CELLS)) % 4
    said = np.where(rng.random(CELLS) < right + ease, LABELS, wrong)
    probabilities = np.full((CELLS, 4), 0.1, np.float32)
    probabilities[np.arange(CELLS), said] = 0.7
    return Scored(LABELS, probabilities, BLOCK)


def seed_scores(seed: int, rungs: Mapping[str, Mapping[Method, float]], teacher: float = 0.85) -> SeedScores:
    students = {
        rung: {method: model(right, 1000 * seed + 10 * r + m) for m, (method, right) in enumerate(methods.items())}
        for r, (rung, methods) in enumerate(rungs.items())
    }
    return SeedScores(model(teacher, 999 + seed), students)


def measured(seeds: Mapping[int, SeedScores], draws: int = 200) -> Ladder:
    return measure_ladder(seeds.items(), CLASSES, bins=15, draws=draws, seed=0)


RUNGS = {"multispectral": METHODS, "rgb": {name: right - 0.1 for name, right in METHODS.items()}}
SEEDS = {seed: seed_scores(seed, RUNGS) for seed in (3, 7, 8)}


@pytest.fixture(scope="module")
def ladder() -> Ladder:
    return measured(SEEDS)


def macro(scored: Scored) -> float:
    return float(f1_score(scored.labels, scored.probabilities.argmax(axis=1), average="macro", labels=[0, 1, 2]))


def mean(rung: str, method: Method) -> float:
    return float(np.mean([macro(seed.students[rung][method]) for seed in SEEDS.values()]))


TEACHER = float(np.mean([macro(seed.teacher) for seed in SEEDS.values()]))


@pytest.mark.parametrize("rung", RUNGS)
@pytest.mark.parametrize("method", METHODS)
def test_values_are_means_over_seeds_and_quotients_of_them(ladder: Ladder, rung: str, method: Method) -> None:
    found, own, control = ladder.rungs[rung].methods[method], mean(rung, method), mean(rung, "control")
    assert found.scores.macro_f1.value == pytest.approx(own)
    assert found.scores.by_seed == pytest.approx([macro(seed.students[rung][method]) for seed in SEEDS.values()])
    assert found.retention.value == pytest.approx(own / TEACHER)
    assert found.gap_recovered.estimate.value == pytest.approx((own - control) / (TEACHER - control))
    assert set(found.over) == set(METHODS) - {method}
    for other, gain in found.over.items():
        assert gain.difference.value == pytest.approx(own - mean(rung, other))
        assert np.mean(gain.by_seed) == pytest.approx(own - mean(rung, other))


def test_a_gain_ratio_is_that_of_the_gains(ladder: Ladder) -> None:
    rung = ladder.rungs["rgb"]
    assert set(rung.gain_ratio) == {"direct", "direct_equal_compute"}
    for other, share in rung.gain_ratio.items():
        gains = [mean("rgb", name) - mean("rgb", "control") for name in ("progressive", other)]
        assert share.estimate.value == pytest.approx(gains[0] / gains[1])
        assert share.estimate.low < share.estimate.value < share.estimate.high


def test_other_metrics_are_those_of_the_seeds(ladder: Ladder) -> None:
    alone = [measure(seed.teacher, CLASSES, bins=15, draws=2, seed=0) for seed in SEEDS.values()]
    for name in ("macro_f1", "nll", "ece"):
        assert getattr(ladder.teacher, name).value == pytest.approx(np.mean([one[name] for one in alone]))
    assert set(ladder.teacher.class_f1) == set(ladder.support) == {"basalt", "olivine", "calcite"}
    for name, f1 in ladder.teacher.class_f1.items():
        assert f1.value == pytest.approx(np.mean([one["per_class"][name]["f1"] for one in alone]))
        assert ladder.support[name] == alone[0]["per_class"][name]["support"]
    assert ladder.teacher.worst_f1.value == min(f1.value for f1 in ladder.teacher.class_f1.values())
    assert (ladder.blocks, ladder.seeds) == (BLOCKS, (3, 7, 8))


def test_a_draw_takes_the_same_blocks_for_all_models_and_seeds(ladder: Ladder) -> None:
    """The bootstrap spelled out, draw by draw."""
    weights = bootstrap_weights(BLOCKS, 200, 0)

    def drawn(scored: Scored) -> np.ndarray:
        return np.array([scalars(block_sums(scored, 1).weighted(row))["macro_f1"] for row in weights])

    teacher, control, progressive = (
        np.mean([drawn(scored) for scored in models], axis=0)
        for models in (
            [seed.teacher for seed in SEEDS.values()],
            [seed.students["rgb"]["control"] for seed in SEEDS.values()],
            [seed.students["rgb"]["progressive"] for seed in SEEDS.values()],
        )
    )
    found = ladder.rungs["rgb"].methods["progressive"]
    gap = (progressive - control) / (teacher - control)
    for estimate, values in (
        (found.scores.macro_f1, progressive),
        (found.retention, progressive / teacher),
        (found.over["control"].difference, progressive - control),
        (found.gap_recovered.estimate, gap),
    ):
        assert estimate.interval == pytest.approx(np.percentile(values, [2.5, 97.5]).tolist())


def test_one_seed_says_what_the_comparison_of_three_models_says() -> None:
    seed = SEEDS[7]
    ladder = measured({7: seed})
    expected = compare(seed.teacher, seed.students["rgb"]["control"], seed.students["rgb"]["direct"], draws=200, seed=0)
    found = ladder.rungs["rgb"].methods["direct"]
    for name, estimate in (
        ("retention", found.retention),
        ("gap_recovered", found.gap_recovered.estimate),
        ("gain", found.over["control"].difference),
    ):
        assert (estimate.value, estimate.interval) == (expected[name], expected["interval"][name])


def test_pairing_makes_gains_surer_than_scores(ladder: Ladder) -> None:
    found = ladder.rungs["rgb"].methods["progressive"]
    score, gain = found.scores.macro_f1, found.over["control"].difference
    assert (gain.high - gain.low) < 0.5 * (score.high - score.low)


def test_a_class_that_only_the_student_loses_stands_out() -> None:
    scored = model(0.9, 5)
    lost = scored.probabilities.copy()
    lost[LABELS == 1] = lost[LABELS == 1][:, [3, 3, 3, 3]] + np.eye(4, dtype=np.float32)[3]
    student = Scored(LABELS, lost, BLOCK)
    found = measured({0: SeedScores(scored, {"rgb": {"control": student}})}).rungs["rgb"].methods["control"]
    assert found.class_retention["olivine"].value == 0
    assert found.class_retention["basalt"].value > 0.95
    assert (found.scores.worst_class, found.scores.worst_f1.value) == ("olivine", 0)


def test_what_the_teacher_may_not_know_cannot_be_kept() -> None:
    """The teacher is right on olivine in one block alone, which many a draw leaves out."""
    teacher = model(0.9, 5)
    blind = np.where(((LABELS == 1) & (BLOCK > 0))[:, None], np.eye(4, dtype=np.float32)[3], teacher.probabilities)
    blind[(LABELS != 1)] = np.eye(4, dtype=np.float32)[LABELS[LABELS != 1]]
    scores = SeedScores(replace(teacher, probabilities=blind), {"rgb": {"control": teacher}})
    found = measured({0: scores}).rungs["rgb"].methods["control"]
    assert found.class_retention["olivine"] is None
    assert found.class_retention["basalt"] is not None


def shares(teacher: float, **methods: float) -> RungResult:
    return measured({0: seed_scores(0, {"rgb": methods}, teacher)}).rungs["rgb"]  # type: ignore[dict-item]


REFUSED = {
    "no gap": (
        {"teacher": 0.5, "control": 0.5, "direct": 0.7, "progressive": 0.7},
        ("the teacher may be no better than the control", ""),
    ),
    "a worse teacher": (
        {"teacher": 0.3, "control": 0.5, "direct": 0.7, "progressive": 0.7},
        ("the teacher is worse than the control", ""),
    ),
    "direct gains nothing": (
        {"teacher": 0.8, "control": 0.5, "direct": 0.5, "progressive": 0.7},
        ("", "direct may be no better than the control"),
    ),
    "direct hurts": (
        {"teacher": 0.8, "control": 0.5, "direct": 0.3, "progressive": 0.4},
        ("", "direct is worse than the control"),
    ),
    "no control": ({"teacher": 0.8, "direct": 0.6, "progressive": 0.7}, ("the rung has no control",) * 2),
    "no chain": ({"teacher": 0.8, "control": 0.5, "direct": 0.6}, ("", "the rung has no progressive")),
}


@pytest.mark.parametrize("case", REFUSED)
def test_shares_of_what_may_be_nothing_are_refused_with_the_reason(case: str) -> None:
    chances, reasons = REFUSED[case]
    rung = shares(**chances)
    for share, reason in zip((rung.methods["direct"].gap_recovered, rung.gain_ratio["direct"]), reasons, strict=True):
        assert share.refused == reason
        assert (share.estimate is None) == bool(reason)


def with_retention(ladder: Ladder, **retentions: tuple[float, float]) -> Ladder:
    """The ladder, its progressive students keeping so much: value and lower end."""
    rungs = {}
    for name, (value, low) in retentions.items():
        outcome = ladder.rungs["rgb"].methods["progressive"]
        kept = replace(outcome, retention=replace(outcome.retention, value=value, low=low))
        rungs[name] = replace(ladder.rungs["rgb"], methods={"progressive": kept})
    return replace(ladder, rungs=rungs)


def test_the_cheapest_rung_that_keeps_enough(ladder: Ladder) -> None:
    made = with_retention(
        ladder, all=(1.0, 0.99), lidar=(0.98, 0.95), bands=(0.97, 0.966), same=(0.99, 0.9), rgb=(0.9, 0.8)
    )
    watts = {"all": 80.0, "lidar": None, "bands": 20.0, "same": 20.0, "rgb": 12.0}

    def choose(**changes: Any) -> CheapestRung:
        return cheapest_rung(made, **({"costs": watts} | changes))

    chosen = choose()
    assert (chosen.rung, chosen.cost, chosen.retention.value, chosen.certain) == ("same", 20.0, 0.99, False)
    assert chosen.left_out == {"lidar": "what its sensors cost is not known"}
    assert choose(costs=watts | {"bands": 19.0}).rung == "bands" and choose(costs=watts | {"bands": 19.0}).certain
    assert choose(share=0.9).rung == "rgb"
    assert choose(share=0.995).rung == "all" and not choose(share=0.995).certain
    nothing = choose(share=1.1)
    assert (nothing.rung, nothing.cost, nothing.retention, nothing.certain) == (None, None, None, False)
    assert choose(method="direct").left_out == dict.fromkeys(made.rungs, "it has no direct student")


def test_the_ladder_survives_json(ladder: Ladder) -> None:
    text = json.dumps(dump_ladder(ladder), allow_nan=False)
    assert parse_ladder(json.loads(text)) == ladder
    assert json.loads(text)["rungs"]["rgb"]["methods"]["direct"]["retention"].keys() == {"value", "low", "high"}


def broken(case: str) -> dict[int, SeedScores]:
    one, two = (seed_scores(seed, {"rgb": METHODS}) for seed in (1, 2))
    if case == "lacks":
        del two.students["rgb"]["progressive"]  # type: ignore[attr-defined]
    elif case == "extra":
        del one.students["rgb"]["direct"]  # type: ignore[attr-defined]
    elif case == "labels":
        two = replace(two, teacher=replace(two.teacher, labels=np.roll(LABELS, 1)))
    elif case == "blocks":
        one.students["rgb"]["control"] = replace(one.teacher, blocks=np.roll(BLOCK, 1))  # type: ignore[index]
    return {} if case == "none" else {1: one, 2: two}


REFUSALS = {
    "none": "there is no seed",
    "lacks": r"not every seed has the model `rgb progressive` \(seed 2\)",
    "extra": r"not every seed has the model `rgb direct` \(seed 2\)",
    "labels": r"the model `teacher` was scored on other cells than the first \(seed 2\)",
    "blocks": r"the model `rgb control` was scored on other cells than the first \(seed 1\)",
}


@pytest.mark.parametrize("case", REFUSALS)
def test_models_that_cannot_be_compared_are_refused(case: str) -> None:
    with pytest.raises(DataError, match=REFUSALS[case]):
        measured(broken(case), draws=5)
