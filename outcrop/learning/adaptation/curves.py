"""What labels buy at a site whose map is known: labels are drawn from it again and again, and the model measured."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from outcrop.learning.adaptation.adapted import Adapted, adapt_to
from outcrop.learning.adaptation.evidence import SOURCE, Evidence, Support, patches_of, places_of
from outcrop.learning.adaptation.heads import Head
from outcrop.learning.adaptation.looks import Seen, look
from outcrop.learning.material import Material
from outcrop.learning.metrics import Scored, block_sums, scalars
from outcrop.learning.models import Model
from outcrop.learning.recipes import SWEEP_BATCH
from outcrop.params import Onboard
from outcrop.survey.cells import CellSet, labelled_cells
from outcrop.survey.patches import BlockPool, sweep


@dataclass(frozen=True)
class Trial:
    """One draw of labels and what it gave.

    Parameters
    ----------
    labels : how many were drawn
    way : the chosen rung
    macro_f1, overall_accuracy : on the test blocks
    low, high : interval for the accuracy, from the labels
    """

    labels: int
    draw: int
    way: str
    macro_f1: float
    overall_accuracy: float
    estimate: float
    low: float
    high: float

    @property
    def covered(self) -> bool:
        """Whether the interval holds the accuracy on the test blocks."""
        return self.low <= self.overall_accuracy <= self.high


@dataclass(frozen=True)
class Reference:
    """The held-out cells of a site, as every base sees them: ``features`` by base (n, d)."""

    features: Mapping[str, NDArray[np.float32]]
    labels: NDArray[np.int64]
    blocks: NDArray[np.int64]
    look: Callable[[nn.Module], Seen]

    def scored(self, head: Head, base: str, network: nn.Module | None = None) -> Scored:
        """What a head says of them, over the features of a base or of a network that is none of them."""
        features = self.features[base] if network is None else self.look(network).features
        said = head.probabilities(features.astype(np.float64)).astype(np.float32)
        return Scored(self.labels, said, self.blocks)


def look_at_cells(site: Material, cells: CellSet, student: Model, evidence: Evidence) -> Reference:
    """Cells of a site through the student's bases."""
    inputs = [entry.modality for entry in student.config.inputs]
    pool = BlockPool(site.reader, inputs, site.params.patches.pool_mb)

    def look_through(network: nn.Module) -> Seen:
        return look(network, sweep(pool, cells, SWEEP_BATCH), inputs, site.fabric.device)

    seen = {name: look_through(base.network) for name, base in evidence.bases.items()}
    first = next(iter(seen.values()))
    return Reference({name: each.features for name, each in seen.items()}, first.labels, first.blocks, look_through)


@dataclass(frozen=True)
class Drawn:
    """Labels to draw from: a support, and by draw the places in it, the first n of which are a draw of n labels."""

    support: Support
    draws: tuple[NDArray[np.intp], ...]


def draw_labels(site: Material, student: Model, teacher: Model | None, evidence: Evidence, seed: int) -> Drawn:
    """Draw labels from the training blocks as somebody would bring them back: `onboard.sampling` says how."""
    params = site.params.onboard
    pool = _labelled(site, seed)
    rng = np.random.default_rng([seed, 5])
    picks = [_pick(pool.classes, max(params.curve), params.sampling, rng) for _ in range(params.draws)]
    used = np.unique(np.concatenate(picks))
    cells = pool.cells(used, site)
    seen = look_at_cells(site, cells, student, evidence)
    guide = None
    if teacher is not None and evidence.teacher is not None:
        inputs = [entry.modality for entry in teacher.config.inputs]
        blocks = BlockPool(site.reader, inputs, site.params.patches.pool_mb)
        guide = look(teacher.network, sweep(blocks, cells, SWEEP_BATCH), inputs, site.fabric.device).features
    support = Support(
        seen.labels.astype(np.intp),
        places_of(site, cells),
        {name: values.astype(np.float64) for name, values in seen.features.items()},
        None if guide is None else guide.astype(np.float64),
        _student_patches(site, cells, student) if "fine_tuned" in (*params.rungs, *params.rungs_with_teacher) else {},
    )
    return Drawn(support, tuple(np.searchsorted(used, pick) for pick in picks))


def _student_patches(site: Material, cells: CellSet, student: Model) -> dict[str, Tensor]:
    inputs = [entry.modality for entry in student.config.inputs]
    return patches_of(site, cells, inputs)


@dataclass(frozen=True)
class _Pool:
    """All labelled training cells: block, position and class (n,), in the order of `sweep`."""

    blocks: NDArray[np.intp]
    positions: NDArray[np.int64]
    classes: NDArray[np.intp]

    def cells(self, chosen: NDArray[np.intp], site: Material) -> CellSet:
        """Some of them; ``chosen`` ascends."""
        counts = np.bincount(self.blocks[chosen], minlength=len(site.census.blocks))
        held = np.unique(self.blocks[chosen])
        return CellSet(counts, {int(b): self.positions[chosen[self.blocks[chosen] == b]] for b in held})


def _labelled(site: Material, seed: int) -> _Pool:
    rows = []
    for block in labelled_cells(site.reader, "train", "all", seed).blocks:
        positions, classes = site.reader.labelled(int(block))
        rows.append((np.full(len(positions), block), positions, classes.astype(np.intp)))
    return _Pool(*(np.concatenate(column) for column in zip(*rows, strict=True)))


def _pick(classes: NDArray[np.intp], number: int, sampling: str, rng: np.random.Generator) -> NDArray[np.intp]:
    """Places (number,) of cells drawn at random, or class by class in turn."""
    shuffled = rng.permutation(len(classes))
    if sampling == "by_class":
        turn = np.empty(len(classes), dtype=np.intp)
        for label in np.unique(classes):
            own = np.flatnonzero(classes[shuffled] == label)
            turn[own] = np.arange(len(own))
        # Within a turn the classes come in the order of the shuffle.
        shuffled = shuffled[np.argsort(turn, kind="stable")]
    return shuffled[:number]


def run_trials(
    evidence: Evidence,
    drawn: Drawn,
    reference: Reference,
    params: Onboard,
    seed: int,
    advance: Callable[[int], None] = lambda _: None,
    *,
    classes: int | None = None,
) -> list[Trial]:
    """Adapt to every draw of every number of labels, and measure on the reference.

    Parameters
    ----------
    classes : how many the adapted model has; default: the student's
    """
    classes, trials = classes or len(evidence.bases[SOURCE].head.bias), []
    for draw, places in enumerate(drawn.draws):
        for labels in params.curve:
            if labels > len(places):
                continue
            adapted = adapt_to(evidence, drawn.support.take(places[:labels]), params, classes, seed + draw)
            trials.append(_measured(adapted, labels, draw, reference))
            advance(1)
    return trials


def _measured(adapted: Adapted, labels: int, draw: int, reference: Reference) -> Trial:
    values = headline(reference.scored(adapted.head, adapted.base, adapted.network))
    accuracy = adapted.accuracy
    return Trial(labels, draw, adapted.way, *values, accuracy.value, accuracy.low, accuracy.high)


def headline(scored: Scored) -> tuple[float, float]:
    """Macro-F1 and overall accuracy."""
    sums = block_sums(scored, bins=1)
    values = scalars(sums.weighted(np.ones(len(sums.log_loss))))
    return float(values["macro_f1"]), float(values["overall_accuracy"])
