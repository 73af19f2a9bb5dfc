"""The ladder: the ways of adapting a student to a site, from the one that changes nothing to the most thorough."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from outcrop.learning.adaptation.choice import Choice, Fit, Indices, Rung, choose
from outcrop.learning.adaptation.evidence import BLENDED, SOURCE, Evidence, Support
from outcrop.learning.adaptation.finetuning import Tuned, tuned_on
from outcrop.learning.adaptation.forgetting import rehearse_enough
from outcrop.learning.adaptation.heads import Head, fit_logistic, fit_prototypes
from outcrop.learning.adaptation.redistillation import Pairs
from outcrop.params import Onboard

#: Parts of the labels by which fine-tuning is judged: a network a label would take too long.
FOLDS = 5
#: The rung that takes a base as it is.
_FIRST = {SOURCE: "none", BLENDED: "batch_norm"}


@dataclass(frozen=True)
class _Fitter:
    """Makes heads of some labels of a support, over the features of one base."""

    evidence: Evidence
    support: Support
    base: str
    params: Onboard
    head: Head

    def unchanged(self, learnt: Indices, asked: Indices) -> Head:
        return self.head

    def prototypes(self, learnt: Indices, asked: Indices) -> Head:
        known = self.evidence.bases[self.base].prototypes
        features, classes = self.support.features[self.base][learnt], self.support.classes[learnt]
        return fit_prototypes(features, classes, self.head, known, self.params.prototype_prior)

    def redistilled(self, learnt: Indices, asked: Indices) -> Head:
        return self._pairs.taught(self.head, self._teacher(learnt), self.support.places[asked], self.evidence.reach)

    def _teacher(self, learnt: Indices) -> Head:
        assert self.evidence.teacher is not None and self.support.teacher is not None
        new = len(self.head.bias) - len(self.evidence.teacher.bias)
        before, classes = self.evidence.teacher.extended(new), self.support.classes[learnt]
        return fit_logistic(self.support.teacher[learnt], classes, before, self.params.teacher_strength)

    @cached_property
    def _pairs(self) -> Pairs:
        """Rehearsed enough for what all labels make of the teacher: one number, for every part that is left out."""
        before, home = self.evidence.bases[SOURCE].at_home, self.evidence.bases[self.base].home
        forgets = partial(home.forgets, before, limit=self.params.forgetting)
        teacher = self._teacher(np.arange(len(self.support)))
        return rehearse_enough(self.evidence.pairs[self.base], self.head, teacher, forgets, self.params.rehearsals)

    def fine_tuned(self, learnt: Indices, asked: Indices) -> Tuned:
        network, patches = self.evidence.bases[self.base].network, self.support.patches
        return tuned_on(network, self.head, patches, learnt, self.support.classes, self.params.fine_tuning)

    def logistic(self, strength: float, learnt: Indices, asked: Indices) -> Head:
        features, classes = self.support.features[self.base][learnt], self.support.classes[learnt]
        return fit_logistic(features, classes, self.head, strength)


def rungs_of(evidence: Evidence, support: Support, params: Onboard, classes: int) -> list[Rung]:
    """The ladder for some labels, over each base: the student as it came, and with the site's statistics.

    Parameters
    ----------
    classes : how many the adapted model has; those behind the student's are new to the survey
    """
    rungs = []
    for name, base in evidence.bases.items():
        head = base.head.extended(classes - len(base.head.bias))
        fitter = _Fitter(evidence, support, name, params, head)
        if name == BLENDED and BLENDED not in tried_rungs(evidence, support, params):
            continue
        rungs.append(Rung(_FIRST[name], name, support.features[name], fitter.unchanged, None, opens=True))
        rungs += [Rung(way, name, support.features[name], fit) for way, fit in _ways(fitter)]
        if "fine_tuned" in tried_rungs(evidence, support, params) and support.patches:
            places = np.arange(len(support), dtype=np.float64)[:, None]
            rungs.append(Rung("fine_tuned", name, places, fitter.fine_tuned, FOLDS))
    return sorted(rungs, key=lambda rung: not rung.opens)


def _ways(fitter: _Fitter) -> Iterator[tuple[str, Fit]]:
    """The ways of adapting a head to labels, by name."""
    params, tried = fitter.params, tried_rungs(fitter.evidence, fitter.support, fitter.params)
    if "prototypes" in tried:
        yield "prototypes", fitter.prototypes
    if "logistic" in tried:
        for strength in sorted(params.strengths, reverse=True):
            yield f"logistic {strength:g}", partial(fitter.logistic, strength)
    if "redistilled" in tried and fitter.evidence.teacher is not None:
        yield "redistilled", fitter.redistilled


def tried_rungs(evidence: Evidence, support: Support, params: Onboard) -> tuple[str, ...]:
    """The ways that the parameters name for a site like this."""
    seen = evidence.teacher is not None and support.teacher is not None
    return params.rungs_with_teacher if seen else params.rungs


def climb(evidence: Evidence, support: Support, params: Onboard, classes: int, seed: int) -> Choice:
    """Choose a rung by the labels of a support."""
    return choose(rungs_of(evidence, support, params, classes), support.classes, seed)
