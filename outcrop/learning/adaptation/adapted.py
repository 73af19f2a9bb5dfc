"""A student adapted to a site by its labels: the chosen rung, the model, and how good the labels say it is here."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from torch import nn

from outcrop.learning.adaptation.choice import Choice
from outcrop.learning.adaptation.decision import Accuracy, accuracy_interval, label_weights
from outcrop.learning.adaptation.evidence import SOURCE, Evidence, Support, in_pieces
from outcrop.learning.adaptation.finetuning import Tuned
from outcrop.learning.adaptation.heads import Array, Head
from outcrop.learning.adaptation.ladder import climb
from outcrop.learning.adaptation.looks import head_of, with_head
from outcrop.learning.models import Model
from outcrop.params import Onboard

#: The base that fine-tuning makes.
FINE_TUNED = "fine_tuned"


@dataclass(frozen=True)
class Adapted:
    """What the labels of a site make of a student.

    Parameters
    ----------
    base : which network's features ``head`` is over
    network : that network, where it was made from the labels by fine-tuning
    accuracy : overall accuracy at the site, from labels that were left out
    """

    base: str
    head: Head
    choice: Choice
    accuracy: Accuracy
    network: nn.Module | None = None

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
    fitted, network, base = chosen.fitted(len(support)), None, chosen.rung.base
    if isinstance(fitted, Tuned):
        network, fitted, base = fitted.network, head_of(fitted.network), FINE_TUNED
    assert isinstance(fitted, Head)
    head = chosen.calibration.head(fitted)
    right = chosen.logits.argmax(axis=1) == support.classes
    weights = _weights(with_tuned(evidence, network, head), support, head, base, params)
    return Adapted(base, head, choice, accuracy_interval(right, weights, params.confidence), network)


def _weights(evidence: Evidence, support: Support, head: Head, base: str, params: Onboard) -> Array:
    if params.sampling == "random":
        return np.full(len(support), 1 / len(support))
    shares = head.probabilities(evidence.unlabelled[base]).mean(axis=0)
    return label_weights(support.classes, shares)


def with_tuned(evidence: Evidence, network: nn.Module | None, head: Head) -> Evidence:
    """The evidence, with a fine-tuned network as one more base."""
    if network is None:
        return evidence
    source = evidence.bases[SOURCE]
    return replace(
        evidence,
        bases={**evidence.bases, FINE_TUNED: replace(source, network=network, head=head)},
        unlabelled={**evidence.unlabelled, FINE_TUNED: in_pieces(network, evidence.patches)},
    )


def adapted_model(adapted: Adapted, evidence: Evidence, student: Model, names: Sequence[str]) -> Model:
    """The student with the chosen statistics and head, over all classes that it now knows."""
    network = adapted.network or evidence.bases[adapted.base].network
    known = names[: len(adapted.head.bias)]
    return with_head(Model(network, student.config), adapted.head, known)
