"""The search on a landscape whose optimum is known: found, the same every time, and across a kill."""

import json
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from dataclasses import replace
from math import inf, nan
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

from outcrop.errors import WorkspaceError
from outcrop.learning.contenders import Contender, Result
from outcrop.learning.search import most_trials, new_seeds, search
from outcrop.learning.spaces import Candidate, space_of
from outcrop.learning.trials import Memo, Outcome, Trial, Trials
from outcrop.params import Search, load_params

PARAMS = load_params(Path(__file__).parents[2] / "params.yaml")
SPACE = space_of(PARAMS)
SEED = 7
#: Where in the unit cube the best candidate lies.
TRUTH = np.array([0.7, 0.2, 0.3, 0.6, 0.5, 0.55])


class Hill:
    """1 - macro-F1 is a quadratic around `TRUTH` on the scales of the space; short training costs 0.1."""

    def __init__(self, stop_after: float = inf) -> None:
        self.run: list[Trial] = []
        self.stop_after = stop_after

    def __call__(self, trial: Trial) -> Outcome:
        if len(self.run) >= self.stop_after:
            raise KeyboardInterrupt
        self.run.append(trial)
        far = float(((SPACE.encode(trial.candidate) - TRUTH) ** 2).mean())
        # Luck of the seed, of 1e-3 at most.
        luck = 1e-3 * float(np.random.default_rng(trial.seed).random())
        return Outcome(0.8 - far - 0.1 * (1 - trial.fidelity) - luck, 1 + far, 40 * trial.fidelity)


def settings(**changes: Any) -> Search:
    return PARAMS.search.model_copy(update=changes)


def found(folder: Path, hill: Hill | None = None, seed: int = SEED, **changes: Any) -> Result:
    memo = Memo(folder / "trials.jsonl", "context")
    return search(SPACE, settings(**changes), hill or Hill(), memo, seed=seed)


def test_the_optimum_is_recovered(tmp_path: Path) -> None:
    result = found(tmp_path, population=32, iterations=40, repeats=0)
    assert result.found_by == "differential evolution"
    np.testing.assert_allclose(SPACE.encode(result.winner.candidate), TRUTH, atol=0.05)
    truth = dict(SPACE.decode(TRUTH).values)
    for name, value in result.winner.candidate.values:
        chosen = (1 - value) / (1 - truth[name]) if name == "distil.class_balance" else value / truth[name]
        assert 0.7 < chosen < 1.4
    assert result.winner.macro_f1 > 0.79 > result.defaults.macro_f1
    assert result.gains == pytest.approx([result.winner.macro_f1 - result.defaults.macro_f1] * 2)


def test_evolution_beats_chance_in_the_median_of_many_seeds(tmp_path: Path) -> None:
    results = [found(tmp_path / str(seed), seed=seed, population=16, iterations=12, repeats=2) for seed in range(9)]
    evolved = [result.evolved.best.loss for result in results]
    chance = [arm.best.loss for result in results for arm in result.random]
    defaults = results[0].defaults.loss
    assert np.median(evolved) < np.median(chance) < defaults
    assert np.median(evolved) < 0.2 + (np.median(chance) - 0.2) / 2


def test_the_same_seed_finds_the_same_and_another_does_not(tmp_path: Path) -> None:
    first, again, other = (found(tmp_path / str(n), seed=seed) for n, seed in enumerate((SEED, SEED, SEED + 1)))
    assert first == again and first.dump() == again.dump()
    assert first.evolved.candidates != other.evolved.candidates
    assert first.new_seeds != other.new_seeds


@pytest.mark.parametrize("count", [0, 3, 29, 55, 120, 130])
def test_a_killed_search_ends_as_if_it_had_not_been(count: int, tmp_path: Path) -> None:
    whole = Hill()
    expected = found(tmp_path / "whole", whole)
    before, after = Hill(stop_after=count), Hill()
    with pytest.raises(KeyboardInterrupt):
        found(tmp_path / "killed", before)
    assert found(tmp_path / "killed", after) == expected
    assert len(before.run) == count and before.run + after.run == whole.run
    assert len(set(whole.run)) == len(whole.run)
    unneeded = Hill()
    assert found(tmp_path / "killed", unneeded) == expected and not unneeded.run


def test_both_ways_of_searching_cost_exactly_the_same(tmp_path: Path) -> None:
    hill = Hill()
    result = found(tmp_path, hill, population=8, iterations=4, repeats=3, promote=2, seeds=3)
    low = [trial for trial in hill.run if trial.fidelity == 0.25]
    full = [trial for trial in hill.run if trial.fidelity == 1]
    assert len(low) + len(full) == len(hill.run) == len(result.trials())
    costs = {len(arm.candidates) for arm in result.arms}
    assert costs == {len(set(result.evolved.candidates))} and costs <= {38, 39, 40}
    # Every arm has the defaults first, but only one pays for them.
    assert {arm.candidates[0] for arm in result.arms} == {SPACE.defaults}
    assert len(low) == 1 + sum(len(arm.candidates) - 1 for arm in result.arms)
    assert {trial.seed for trial in low} == {SEED}
    assert len(full) == 3 * (1 + 4 * 2) and {trial.seed for trial in full} == set(new_seeds(SEED, 3))
    assert SEED not in new_seeds(SEED, 100) and len(set(new_seeds(SEED, 100))) == 100
    assert len(hill.run) <= most_trials(settings(population=8, iterations=4, repeats=3, promote=2, seeds=3))
    assert [arm.seconds for arm in result.arms] == [10 * costs.pop() + 40 * 2 * 3] * 4


@pytest.mark.parametrize("population", [5, 8, 13])
def test_a_generation_is_as_large_as_the_population(population: int, tmp_path: Path) -> None:
    sizes: list[int] = []

    def workers(function: Any, trials: Sequence[Trial]) -> Iterable[Any]:
        sizes.append(len(trials))
        return map(function, trials)

    memo = Memo(tmp_path / "trials.jsonl", "")
    search(SPACE, settings(population=population, repeats=0), Hill(), memo, seed=SEED, workers=workers)
    assert sizes[0] == population and max(sizes[:-1]) == population
    assert len(sizes) == 1 + settings().iterations + 1


def test_neither_threads_nor_their_order_matter(tmp_path: Path) -> None:
    def backwards(function: Any, trials: Sequence[Trial]) -> Iterable[Any]:
        return map(function, reversed(trials))

    def threads(function: Any, trials: Sequence[Trial]) -> Iterable[Any]:
        with ThreadPoolExecutor(4) as pool:
            for future in as_completed([pool.submit(function, trial) for trial in trials]):
                yield future.result()

    expected = found(tmp_path / "alone")
    for workers in (backwards, threads):
        memo = Memo(tmp_path / workers.__name__, "")
        assert search(SPACE, settings(), Hill(), memo, seed=SEED, workers=workers) == expected


def test_trials_run_in_processes_of_their_own(tmp_path: Path) -> None:
    asked = [Trial(SPACE.defaults, 0.25, seed) for seed in range(4)]
    with ProcessPoolExecutor(2) as pool:
        there = Trials(Hill(), Memo(tmp_path / "there", ""), pool.map, lambda *told: None).run(asked)
    assert there == [Hill()(trial) for trial in asked]


def test_it_tells_of_every_trial_once(tmp_path: Path) -> None:
    told: list[tuple[Trial, Outcome, bool]] = []

    def tell(trial: Trial, outcome: Outcome, fresh: bool) -> None:
        told.append((trial, outcome, fresh))

    with pytest.raises(KeyboardInterrupt):
        found(tmp_path, Hill(stop_after=20))
    hill = Hill()
    search(SPACE, settings(), hill, Memo(tmp_path / "trials.jsonl", "context"), seed=SEED, tell=tell)
    assert [trial for trial, _, fresh in told if fresh] == hill.run
    assert sum(not fresh for *_, fresh in told) == 20
    assert len({trial for trial, *_ in told}) == len(told)


@pytest.mark.parametrize("error", [ValueError("no such band"), TypeError("odd"), RuntimeError("memory")], ids=repr)
def test_an_error_in_a_trial_comes_through_as_it_is(error: Exception, tmp_path: Path) -> None:
    def objective(trial: Trial) -> Outcome:
        raise error from OSError("disk")

    with pytest.raises(type(error)) as caught:
        search(SPACE, settings(), objective, Memo(tmp_path / "m", ""), seed=SEED)
    assert caught.value is error and isinstance(error.__cause__, OSError)


def test_defaults_outside_the_space_are_a_contender_as_they_are(tmp_path: Path) -> None:
    narrow = PARAMS.search.space | {"distil.hard_weight": PARAMS.search.space["distil.hard_weight"]}
    outside = PARAMS.model_copy(update={"distil": PARAMS.distil.model_copy(update={"hard_weight": 20.0})})
    space = space_of(outside.model_copy(update={"search": settings(space=narrow)}))
    result = search(space, settings(), Hill(), Memo(tmp_path / "m", ""), seed=SEED)
    assert dict(result.defaults.candidate.values)["distil.hard_weight"] == 20.0
    assert dict(result.evolved.candidates[0].values)["distil.hard_weight"] == 10.0
    assert len(result.notes) == 1 and result.dump()["notes"] == list(result.notes)


def test_where_nothing_is_better_the_defaults_win(tmp_path: Path) -> None:
    def flat(trial: Trial) -> Outcome:
        return Outcome(0.5, 1.0, 1.0)

    result = search(SPACE, settings(), flat, Memo(tmp_path / "m", ""), seed=SEED)
    assert result.found_by == "defaults" and result.winner == result.defaults
    assert result.rank_correlation is None and result.gains == (0.0, 0.0)


def test_the_rank_correlation_is_that_of_all_in_full(tmp_path: Path) -> None:
    def contrary(trial: Trial) -> Outcome:
        outcome = Hill()(trial)
        return outcome if trial.fidelity < 1 else replace(outcome, macro_f1=1 - outcome.macro_f1)

    agreeing = found(tmp_path / "agreeing")
    pairs = {each.candidate: (each.low.loss, each.loss) for each in agreeing.contenders}
    assert len(pairs) == 1 + 3 * 3
    assert agreeing.rank_correlation == pytest.approx(spearmanr(*zip(*pairs.values(), strict=True)).statistic)
    assert agreeing.rank_correlation > 0.99
    opposed = search(SPACE, settings(), contrary, Memo(tmp_path / "m", ""), seed=SEED)
    assert opposed.rank_correlation == pytest.approx(-1, abs=0.01)
    assert found(tmp_path / "two", repeats=0, promote=1).rank_correlation is None


def test_the_best_so_far_only_falls_and_begins_at_the_defaults(tmp_path: Path) -> None:
    result = found(tmp_path)
    for arm in result.arms:
        assert arm.curve[0] == result.defaults.low.loss
        assert arm.curve == tuple(np.minimum.accumulate([each.loss for each in arm.low]))
        assert {each.low.loss for each in arm.promoted} == set(sorted(each.loss for each in arm.low)[:3])


def test_the_result_is_plain_json(tmp_path: Path) -> None:
    def diverging(trial: Trial) -> Outcome:
        outcome = Hill()(trial)
        return replace(outcome, macro_f1=nan, nll=inf) if outcome.macro_f1 < 0.6 else outcome

    result = search(SPACE, settings(), diverging, Memo(tmp_path / "m", ""), seed=SEED)
    dumped = json.loads(json.dumps(result.dump(), allow_nan=False))
    assert dumped == result.dump()
    names = ["defaults", "differential evolution", "random search 1", "random search 2"]
    assert [row["found_by"] for row in dumped["rows"]] == names
    assert dumped["winner"]["values"] == dict(result.winner.candidate.values)
    assert dumped["winner"]["macro_f1"] == max(row["macro_f1"] for row in dumped["rows"])
    assert None in [row["macro_f1"] for row in dumped["trials"]]
    # What diverged is read back as such.
    again = search(SPACE, settings(), Hill(stop_after=0), Memo(tmp_path / "m", ""), seed=SEED)
    assert again.dump() == dumped


LOSSES = [
    (Outcome(0.8, 0.5, 1), Outcome(0.8 - 2e-6, 0.1, 1)),  # a better macro-F1, however unsure
    (Outcome(0.8, 0.5, 1), Outcome(0.8, 0.6, 1)),  # of equals the surer
    (Outcome(0.8, 1e9, 1), Outcome(0.8, inf, 1)),
    (Outcome(0.0, 90.0, 1), Outcome(nan, nan, 1)),  # anything before what diverged
]


@pytest.mark.parametrize(("better", "worse"), LOSSES, ids=range(len(LOSSES)))
def test_the_loss_ranks(better: Outcome, worse: Outcome) -> None:
    assert better.loss < worse.loss <= 1 + 1e-6


TRIAL = Trial(Candidate((("distil.hard_weight", 1.23), ("train.lr.student", 1e-3))), 0.25, 7)
OUTCOME = Outcome(0.75, 0.5, 12.5)


def test_a_memo_has_what_was_kept_and_nothing_of_another_context(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "trials.jsonl"
    mine, other = Memo(path, "mine"), Memo(path, "other")
    mine.keep(TRIAL, OUTCOME)
    other.keep(TRIAL, replace(OUTCOME, macro_f1=0.1))
    assert mine[TRIAL] == Memo(path, "mine")[TRIAL] == OUTCOME
    assert Memo(path, "other")[TRIAL].macro_f1 == 0.1
    assert TRIAL not in Memo(path, "third")
    for changed in (replace(TRIAL, seed=8), replace(TRIAL, fidelity=1.0), replace(TRIAL, candidate=SPACE.defaults)):
        assert changed not in Memo(path, "mine")


@pytest.mark.parametrize("kept", range(0, 150, 7))
def test_a_line_that_a_kill_cut_short_is_a_trial_not_run(kept: int, tmp_path: Path) -> None:
    path = tmp_path / "trials.jsonl"
    Memo(path, "c").keep(TRIAL, OUTCOME)
    torn = replace(TRIAL, seed=8)
    Memo(path, "c").keep(torn, OUTCOME)
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + second[: min(kept, len(second) - 2)])
    memo = Memo(path, "c")
    assert TRIAL in memo and torn not in memo
    memo.keep(torn, OUTCOME)
    again = Memo(path, "c")
    assert TRIAL in again and again[torn] == OUTCOME


@pytest.mark.parametrize("line", [b"{}", b"[]", b"3", b"null", b"\xff\xfe", b'{"context": "c", "values": 3}', b""])
def test_lines_that_are_no_trials_are_passed_over(line: bytes, tmp_path: Path) -> None:
    path = tmp_path / "trials.jsonl"
    path.write_bytes(line + b"\n")
    Memo(path, "c").keep(TRIAL, OUTCOME)
    assert Memo(path, "c")[TRIAL] == OUTCOME


def test_a_memo_that_cannot_be_written_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WorkspaceError, match=r"the trials cannot be written: .*; check the folder\.$"):
        Memo(tmp_path / "file" / "trials.jsonl", "c").keep(TRIAL, OUTCOME)
    with pytest.raises(WorkspaceError, match="the trials cannot be read: is a directory"):
        Memo(tmp_path, "c")


def test_a_trial_named_twice_is_run_once(tmp_path: Path) -> None:
    hill = Hill()
    trials = Trials(hill, Memo(tmp_path / "m", ""), map, lambda *told: None)
    one, two = (Trial(SPACE.defaults, 0.25, seed) for seed in (1, 2))
    outcomes = trials.run([one, two, one])
    assert outcomes[0] is outcomes[2] is not outcomes[1] and hill.run == [one, two]


def test_a_mean_over_seeds_decides() -> None:
    steady = Contender(SPACE.defaults, OUTCOME, (Outcome(0.7, 1.0, 1), Outcome(0.7, 1.0, 1)))
    lucky = Contender(SPACE.defaults, OUTCOME, (Outcome(0.9, 1.0, 1), Outcome(0.4, 1.0, 1)))
    assert steady.loss < lucky.loss and steady.macro_f1 == 0.7 and lucky.nll == 1.0
