"""Metrics against scikit-learn; intervals against simulated populations whose truth is known."""

import warnings

import numpy as np
import pytest
from sklearn import metrics as reference

from outcrop.learning.metrics import Scored, block_sums, bootstrap_weights, compare, measure, scalars

CLASSES = ("basalt", "olivine", "calcite", "gypsum")


def random_scores(seed: int, cells: int = 300, classes: int = 4, blocks: int = 12, skill: float = 1.0) -> Scored:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, cells)
    logits = rng.normal(0, 1, (cells, classes)) + skill * np.eye(classes)[labels]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return Scored(labels, probabilities.astype(np.float32), rng.integers(0, blocks, cells) * 3 + 1)


def measured(scored: Scored, names: tuple[str, ...] = CLASSES, draws: int = 20) -> dict:
    return measure(scored, names, bins=15, draws=draws, seed=0)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("absent", [(), (2,), (0, 3)])
def test_every_metric_is_scikit_learns(seed: int, absent: tuple[int, ...]) -> None:
    scored = random_scores(seed)
    keep = ~np.isin(scored.labels, absent)
    scored = Scored(scored.labels[keep], scored.probabilities[keep], scored.blocks[keep])
    truth, predicted = scored.labels, scored.probabilities.argmax(axis=1)
    present = sorted(set(range(4)) - set(absent))
    found = measured(scored)
    macro = reference.f1_score(truth, predicted, labels=present, average="macro")
    assert found["macro_f1"] == pytest.approx(macro)
    assert found["overall_accuracy"] == pytest.approx(reference.accuracy_score(truth, predicted))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn remarks that a class was predicted that does not occur
        average = reference.balanced_accuracy_score(truth, predicted)
    assert found["average_accuracy"] == pytest.approx(average)
    assert found["kappa"] == pytest.approx(reference.cohen_kappa_score(truth, predicted))
    exact = scored.probabilities / scored.probabilities.sum(axis=1, keepdims=True, dtype=np.float64)
    assert found["nll"] == pytest.approx(reference.log_loss(truth, exact, labels=range(4)), rel=1e-5)
    np.testing.assert_array_equal(found["confusion"], reference.confusion_matrix(truth, predicted, labels=range(4)))
    each = reference.f1_score(truth, predicted, labels=range(4), average=None, zero_division=0)
    for c, name in enumerate(CLASSES):
        entry = found["per_class"][name]
        assert entry["support"] == (truth == c).sum()
        assert entry["f1"] == (None if c in absent else pytest.approx(each[c]))
    assert found["absent"] == [CLASSES[c] for c in absent]
    assert set(found["interval"]["per_class"]) == {CLASSES[c] for c in present}
    assert (found["blocks"], found["cells"], found["iou"]) == (len(set(scored.blocks)), len(truth), None)


def test_a_binary_survey_has_an_intersection_over_union() -> None:
    scored = random_scores(3, classes=2)
    expected = reference.jaccard_score(scored.labels, scored.probabilities.argmax(axis=1))
    found = measured(scored, ("bare", "outcrop"))
    assert found["iou"] == pytest.approx(expected)
    low, high = found["interval"]["iou"]
    assert low < expected < high


def calibration(confidence: list[float], right: list[int], bins: int) -> float:
    probabilities = np.array([[c, 1 - c] for c in confidence], np.float32)
    scored = Scored(1 - np.array(right), probabilities, np.arange(len(right)) % 3)
    return float(scalars(block_sums(scored, bins).weighted(np.ones(3)))["ece"])


def test_calibration_error_worked_by_hand() -> None:
    """Two bins of three cells: (.6 + .55 + .7)/3 against 2/3 right, (.9 + .8 + .95)/3 against 1/3 right."""
    confidence, right = [0.9, 0.6, 0.8, 0.55, 0.95, 0.7], [1, 1, 0, 0, 0, 1]
    first, second = abs(1.85 / 3 - 2 / 3), abs(2.65 / 3 - 1 / 3)
    assert calibration(confidence, right, 2) == pytest.approx((first + second) / 2, rel=1e-6)
    assert calibration(confidence, right, 1) == pytest.approx(abs(4.5 / 6 - 0.5), rel=1e-6)
    singles = np.mean(np.abs(np.array(confidence) - right))
    assert calibration(confidence, right, 6) == pytest.approx(singles, rel=1e-6)


def test_one_certain_mistake_does_not_make_the_log_loss_infinite() -> None:
    scored = Scored(np.array([0, 1]), np.array([[1, 0], [1, 0]], np.float32), np.array([0, 1]))
    assert measured(scored, ("a", "b"))["nll"] == pytest.approx(-np.log(1e-7) / 2)


def test_a_draw_takes_as_many_blocks_as_there_are() -> None:
    weights = bootstrap_weights(7, 500, 3)
    assert weights.shape == (500, 7) and (weights.sum(axis=1) == 7).all()
    np.testing.assert_allclose(weights.mean(axis=0), 1, atol=0.15)
    np.testing.assert_array_equal(weights, bootstrap_weights(7, 500, 3))


def test_a_draw_is_the_metric_of_the_blocks_drawn() -> None:
    """Weighted sums over blocks give what the cells of those blocks, repeated, give."""
    scored = random_scores(1, blocks=6)
    sums = block_sums(scored, 1)
    numbers = np.unique(scored.blocks)
    for weights in bootstrap_weights(6, 10, 0):
        taken = np.repeat(numbers, weights.astype(int))
        rows = np.concatenate([np.flatnonzero(scored.blocks == number) for number in taken])
        found = scalars(sums.weighted(weights))
        truth, predicted = scored.labels[rows], scored.probabilities[rows].argmax(axis=1)
        assert float(found["macro_f1"]) == pytest.approx(reference.f1_score(truth, predicted, average="macro"))
        assert float(found["kappa"]) == pytest.approx(reference.cohen_kappa_score(truth, predicted))


def population(rng: np.random.Generator, blocks: int, cells: int, spread: float) -> Scored:
    """Binary scores of a model that is right with chance 0.7, but by block: ``spread`` is the blocks' own deviation."""
    chance = np.clip(rng.choice([0.7 - spread, 0.7 + spread], blocks), 0, 1).repeat(cells)
    labels = rng.integers(0, 2, blocks * cells)
    predicted = np.where(rng.random(blocks * cells) < chance, labels, 1 - labels)
    return Scored(labels, np.eye(2, dtype=np.float32)[predicted], np.arange(blocks).repeat(cells))


@pytest.mark.parametrize("spread", [0.0, 0.25])
def test_the_interval_covers_the_truth_in_about_95_of_100(spread: float) -> None:
    rng, covered = np.random.default_rng(5), []
    for seed in range(200):
        sums = block_sums(population(rng, 40, 25, spread), 1)
        drawn = scalars(sums.weighted(bootstrap_weights(40, 300, seed)))["overall_accuracy"]
        low, high = np.percentile(drawn, [2.5, 97.5])
        covered.append(low <= 0.7 <= high)
    assert 0.89 <= np.mean(covered) <= 0.99


def test_blocks_that_differ_widen_the_interval() -> None:
    rng = np.random.default_rng(0)

    def width(scored: Scored) -> float:
        low, high = measured(scored, ("a", "b"), draws=400)["interval"]["overall_accuracy"]
        return high - low

    correlated = population(rng, 30, 50, 0.25)
    scattered = Scored(correlated.labels, correlated.probabilities, rng.permutation(correlated.blocks))
    assert width(correlated) > 2 * width(scattered)


def compared(teacher: Scored, control: Scored, student: Scored) -> dict:
    return compare(teacher, control, student, draws=300, seed=0)


def twisted(scored: Scored, share: float, seed: int) -> Scored:
    """The same cells, a share of them predicted at random."""
    rng = np.random.default_rng(seed)
    probabilities = scored.probabilities.copy()
    probabilities[rng.random(len(probabilities)) < share] = rng.dirichlet(np.ones(4))
    return Scored(scored.labels, probabilities, scored.blocks)


def test_a_comparison_is_what_its_words_say() -> None:
    teacher = random_scores(0, cells=3000, skill=4)
    control, student = twisted(teacher, 0.5, 1), twisted(teacher, 0.2, 2)
    models = (teacher, control, student)
    t, c, s = (reference.f1_score(x.labels, x.probabilities.argmax(axis=1), average="macro") for x in models)
    found = compared(teacher, control, student)
    assert found["retention"] == pytest.approx(s / t)
    assert found["gap_recovered"] == pytest.approx((s - c) / (t - c))
    assert found["gain"] == pytest.approx(s - c)
    for name in ("retention", "gap_recovered", "gain"):
        low, high = found["interval"][name]
        assert low < found[name] < high
    assert found["interval"]["gap"][0] > 0


def test_identical_models_gain_nothing_for_certain() -> None:
    scored = random_scores(0)
    found = compared(scored, scored, scored)
    assert (found["gain"], found["retention"], found["gap_recovered"]) == (0, 1, None)
    assert found["interval"] == {"retention": [1, 1], "gap_recovered": None, "gain": [0, 0], "gap": [0, 0]}


def test_pairing_removes_what_both_models_share() -> None:
    """Blocks differ much in difficulty, the models little: the gain is known far better than either score."""
    rng = np.random.default_rng(1)
    control = population(rng, 30, 100, 0.25)
    student = Scored(control.labels, control.probabilities.copy(), control.blocks)
    mended = rng.random(len(control.labels)) < 0.05
    student.probabilities[mended] = np.eye(2, dtype=np.float32)[control.labels[mended]]
    found = compared(student, control, student)
    low, high = found["interval"]["gain"]
    alone = measured(student, ("a", "b"), draws=300)["interval"]["macro_f1"]
    assert 0 < low < found["gain"] < high
    assert high - low < (alone[1] - alone[0]) / 5


def test_a_gap_that_may_be_none_gives_no_share_of_it() -> None:
    teacher, control = (twisted(random_scores(0), 0.1, seed) for seed in (3, 4))
    found = compared(teacher, control, control)
    assert found["gap_recovered"] is None and found["interval"]["gap_recovered"] is None


def test_draws_on_which_teacher_and_control_agree_do_no_harm() -> None:
    """Four blocks, one of them without any difference: now and then a draw takes it alone."""
    labels, blocks = np.tile([0, 1], 20), np.arange(40) // 10
    right = np.eye(2, dtype=np.float32)[labels]
    wrong = np.where((blocks > 0)[:, None] & (np.arange(40) % 5 < 2)[:, None], 1 - right, right)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = compare(*(Scored(labels, p, blocks) for p in (right, wrong, right)), draws=2000, seed=0)
    assert found["gap_recovered"] == 1 and found["interval"]["gap_recovered"] == [1, 1]
