"""The search for better parameters of a student: differential evolution, beside random search at equal cost.

The source material calls its method quantum-inspired; it is differential evolution (Storn and Price 1997, J. Global
Optimization 11, 341-359), as SciPy has it. A candidate is judged by the student that it trains, on validation blocks
(see `outcrop.learning.trials.Outcome.loss`): first for a share of the epochs, all from one seed; then the best few, and
the defaults, in full on new seeds, whose mean decides.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from math import ceil, log2

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import differential_evolution
from scipy.stats import qmc

from outcrop.learning.contenders import Arm, Contender, Result
from outcrop.learning.spaces import Candidate, Space
from outcrop.learning.trials import Memo, Objective, Outcome, Tell, Trial, Trials, Workers
from outcrop.params import Search

#: Candidates in, what their students scored after short training out.
Score = Callable[[Sequence[Candidate]], list[Outcome]]
#: Streams of random numbers that one seed gives.
_FIRST, _EVOLUTION, _CHANCE, _NEW = range(4)


def search(
    space: Space,
    settings: Search,
    objective: Objective,
    memo: Memo,
    *,
    seed: int,
    workers: Workers = map,
    tell: Tell = lambda trial, outcome, fresh: None,
) -> Result:
    """Search a space, and tell what it was worth.

    The result follows from ``space``, ``settings``, ``seed`` and the outcomes alone, not from the order in which
    ``workers`` finish. Started again after a kill it runs no finished trial twice and ends with the same result.

    Parameters
    ----------
    objective : trains and scores a trial's student; what it raises ends the search
    memo : the trials that were run before in the same context
    workers : runs a generation's trials, see `outcrop.learning.trials.Workers`
    tell : told of every trial once, see `most_trials` for how many there may be
    """
    trials = Trials(objective, memo, workers, tell)

    def score(candidates: Iterable[Candidate]) -> list[Outcome]:
        return trials.run([Trial(each, settings.fidelity, seed) for each in candidates])

    evolved = _evolve(space, settings, seed, score)
    found = {"differential evolution": evolved}
    for repeat in range(settings.repeats):
        found[f"random search {repeat + 1}"] = _draw(space, len(evolved), seed, repeat)
    # All that do not depend on one another go to the workers together.
    everyone = list(dict.fromkeys([space.defaults, *chain(*found.values())]))
    scores = dict(zip(everyone, score(everyone), strict=True))
    best = {name: _promoted(found[name], scores, space.defaults, settings.promote) for name in found}
    fresh = new_seeds(seed, settings.seeds)
    finalists = dict.fromkeys([space.defaults, *chain(*best.values())])
    runs = [Trial(candidate, 1.0, new) for candidate in finalists for new in fresh]
    full = dict(zip(runs, trials.run(runs), strict=True))

    def contender(candidate: Candidate) -> Contender:
        return Contender(candidate, scores[candidate], tuple(full[Trial(candidate, 1.0, new)] for new in fresh))

    evolution, *chance = (
        Arm(name, found[name], tuple(scores[each] for each in found[name]), tuple(map(contender, best[name])))
        for name in found
    )
    return Result(seed, settings.fidelity, fresh, contender(space.defaults), evolution, tuple(chance), space.notes)


def most_trials(settings: Search) -> int:
    """How many trials a search has at most: fewer where candidates meet again."""
    arms = 1 + settings.repeats
    low = 1 + arms * settings.population * (1 + settings.iterations)
    return low + settings.seeds * (1 + arms * settings.promote)


def new_seeds(seed: int, count: int) -> tuple[int, ...]:
    """Seeds of the trainings in full: those who did well by the luck of the search's own seed lose it here."""
    return tuple(int(np.random.default_rng([seed, _NEW, place]).integers(2**31)) for place in range(count))


def _evolve(space: Space, settings: Search, seed: int, score: Score) -> tuple[Candidate, ...]:
    """The distinct candidates that differential evolution comes upon, in its order."""
    proposed: list[Candidate] = []

    def losses(points: NDArray[np.float64]) -> NDArray[np.float64]:
        generation = [space.decode(point) for point in points.T]
        proposed.extend(generation)
        try:
            return np.array([outcome.loss for outcome in score(generation)])
        except (TypeError, ValueError) as cause:
            raise _TrialError(cause) from cause

    try:
        # A whole generation is handed over (`vectorized`), for `score` has the memo before the workers. SciPy's own
        # stopping rule compares losses, which are noisy: it stops only where all of them are equal.
        differential_evolution(
            losses,
            [(0.0, 1.0)] * len(space.ranges),
            strategy="best1bin",
            maxiter=settings.iterations,
            init=_first_generation(space, settings.population, seed),
            mutation=(0.5, 1.0),
            recombination=0.7,
            tol=0.0,
            rng=np.random.default_rng([seed, _EVOLUTION]),
            polish=False,
            updating="deferred",
            vectorized=True,
        )
    except _TrialError as failure:
        raise failure.error from failure.error.__cause__
    return tuple(dict.fromkeys(proposed))


class _TrialError(Exception):
    """Carries a trial's error past SciPy, which takes a TypeError or ValueError for one in the way it was called."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


def _first_generation(space: Space, population: int, seed: int) -> NDArray[np.float64]:
    """Points (population, dimensions): the defaults, and an even spread (scrambled Sobol).

    SciPy would multiply its ``popsize`` by the number of dimensions and round that up to a power of two. Given the
    points, it takes as many as there are, so that ``population`` is what it says.
    """
    sampler = qmc.Sobol(len(space.ranges), rng=np.random.default_rng([seed, _FIRST]))
    points = sampler.random_base2(ceil(log2(population)))[:population]
    points[0] = space.encode(space.defaults)
    return np.asarray(points, dtype=np.float64)


def _draw(space: Space, count: int, seed: int, repeat: int) -> tuple[Candidate, ...]:
    """So many distinct candidates by chance, even in the unit cube.

    The first are the defaults, which evolution is told too: so the two differ in how they search alone.
    """
    rng = np.random.default_rng([seed, _CHANCE, repeat])
    drawn = {space.decode(space.encode(space.defaults)): None}
    while len(drawn) < count:
        drawn[space.decode(rng.random(len(space.ranges)))] = None
    return tuple(drawn)


def _promoted(
    candidates: Sequence[Candidate], scores: Mapping[Candidate, Outcome], defaults: Candidate, most: int
) -> list[Candidate]:
    """The best of an arm's candidates; the defaults are trained in full anyway."""
    others = [candidate for candidate in candidates if candidate != defaults]
    return sorted(others, key=lambda candidate: scores[candidate].loss)[:most]
