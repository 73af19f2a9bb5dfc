"""A student adapted to a site by its labels: the chosen rung, the model, and how good the labels say it is here."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from outcrop.learning.adaptation.choice import Choice
from outcrop.learning.adaptation.decision import Accuracy, accuracy_interval, label_weights
from outcrop.learning.adaptation.evidence import SOURCE, Evidence, Support
from outcrop.learning.adaptation.heads import Array, Head
from outcrop.learning.adaptation.ladder import climb
from outcrop.learning.adaptation.looks import with_head
from outcrop.learning.models import Model
from outcrop.params import Onboard


@dataclass(frozen=True)
class Adapted:
    """What the labels of a site make of a student.

    Parameters
    ----------
    base : which network's features ``head`` is over
    accuracy : overall accuracy at the site, from labels that were left out
    """

    base: str
    head: Head
    choice: Choice
    accuracy: Accuracy

    @property
    def changed(self) -> bool:
        """Whether it differs from the source model."""
        return any(step.taken for step in self.choice.steps[1:])

    @property
    def way(self) -> str:
        """The chosen rung, and whether it was calibrated."""
        name = self.choice.chosen.rung.name
        return f"{name}, calibrated" if self.choice.steps[-1].taken else name


def adapt_to(evidence: Evidence, support: Support, params: Onboard, classes: int, seed: int) -> Adapted:
    """Choose a rung by the labels, and fit it to all of them.

    Parameters
    ----------
    classes : how many the adapted model has; those behind the student's are new to the survey
    """
    choice = climb(evidence, support, params, classes, seed)
    chosen = choice.chosen
    head = chosen.head(len(support))
    right = chosen.logits.argmax(axis=1) == support.classes
    weights = _weights(evidence, support, head, chosen.rung.base, params)
    return Adapted(chosen.rung.base, head, choice, accuracy_interval(right, weights, params.confidence))


def _weights(evidence: Evidence, support: Support, head: Head, base: str, params: Onboard) -> Array:
    if params.sampling == "random":
        return np.full(len(support), 1 / len(support))
    shares = head.probabilities(evidence.unlabelled[base]).mean(axis=0)
    return label_weights(support.classes, shares)


def adapted_model(adapted: Adapted, evidence: Evidence, student: Model, names: Sequence[str]) -> Model:
    """The student with the chosen statistics and head, over all classes that it now knows."""
    network = student.network if adapted.base == SOURCE else evidence.bases[adapted.base].network
    known = names[: len(adapted.head.bias)]
    return with_head(Model(network, student.config), adapted.head, known)
