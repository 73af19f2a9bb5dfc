"""What RGB can still see: heads for properties of the ground, taught by a teacher that sees all sensors.

The teacher's head learns the truth of a few measured cells. The student's head learns what the teacher's says of all
unlabelled training cells, the control's the measured cells alone. Intervals are calibrated on validation blocks, and
all is scored on test blocks.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from outcrop.learning.conformal import block_coverage, block_radius, require_blocks
from outcrop.learning.material import Material
from outcrop.learning.metrics import Estimate, estimate, paired_weights
from outcrop.learning.models import Model
from outcrop.learning.observations import Rows, draw_ground, look_at, read_truth, rows_of
from outcrop.learning.properties import PROPERTIES, Property, require_truth
from outcrop.learning.regression import Comparison, LinearHead, compare_heads, fit_head

Array = NDArray[np.float64]
TEACHER, STUDENT, CONTROL = NETWORKS = ("teacher", "student", "control")


@dataclass(frozen=True)
class Ways:
    """How heads are taught and judged.

    Parameters
    ----------
    measured : cells whose truth the teacher's and the control's head learn
    cells : of each split, at every date
    confidence : with which an interval is to hold the truth of a cell of a new block
    draws : of whole blocks, behind the interval of every R2
    """

    measured: int = 300
    cells: Mapping[str, int] = field(default_factory=lambda: {"train": 1500, "val": 700, "test": 1000})
    confidence: float = 0.9
    draws: int = 1000
    seed: int = 7


@dataclass(frozen=True)
class Heads:
    """The heads of one property by network, and half the width of their intervals."""

    by_network: Mapping[str, LinearHead]
    radius: Mapping[str, float]

    def says(self, network: str, features: Array) -> tuple[Array, Array, Array]:
        """Estimate (n,) and the two ends (n,) of its interval, of features (n, d) of a network."""
        head, radius = self.by_network[network], self.radius[network]
        said = head.says(features)
        low, high = (np.clip(said + side, *head.bounds) for side in (-radius, radius))
        return said, low, high


@dataclass(frozen=True)
class Held:
    """How an interval does on test blocks.

    Parameters
    ----------
    coverage : share of the cells of a block that it holds, mean over blocks
    width : mean of what is left of it within the bounds
    spread : standard deviation of the truth, to compare the width with
    """

    coverage: Estimate
    width: float
    spread: float


@dataclass(frozen=True)
class Appraisal:
    """A property's heads on test blocks; ``blocks`` and ``cells`` counts what they were tested on."""

    comparison: Comparison
    held: Mapping[str, Held]
    blocks: int
    cells: int


def teach_heads(property_: Property, training: Rows, validation: Rows, ways: Ways) -> Heads:
    """Fit the heads of one property and calibrate their intervals.

    Raises
    ------
    DataError : there are too few blocks to learn from or to calibrate on.
    """
    rng = np.random.default_rng([ways.seed, 7])
    measured = np.sort(rng.permutation(len(training.truth))[: ways.measured])
    bounds, blocks = property_.bounds, training.blocks

    def from_truth(network: str) -> LinearHead:
        return fit_head(training.features[network][measured], training.truth[measured], blocks[measured], bounds)

    teacher = from_truth(TEACHER)
    taught = teacher.says(training.features[TEACHER])
    heads = {
        TEACHER: teacher,
        STUDENT: fit_head(training.features[STUDENT], taught, blocks, bounds),
        CONTROL: from_truth(CONTROL),
    }
    radius = {
        name: block_radius(
            np.abs(head.says(validation.features[name]) - validation.truth), validation.blocks, ways.confidence
        )
        for name, head in heads.items()
    }
    return Heads(heads, radius)


def appraise(heads: Heads, test: Rows, ways: Ways) -> Appraisal:
    """Score heads on blocks from which nothing was learnt or calibrated."""
    said = {name: heads.says(name, test.features[name]) for name in NETWORKS}
    teacher, student, control = (said[name][0] for name in NETWORKS)
    comparison = compare_heads(test.truth, teacher, student, control, test.blocks, ways.draws, ways.seed)
    held = {name: _held(test, low, high, ways) for name, (_, low, high) in said.items()}
    return Appraisal(comparison, held, len(np.unique(test.blocks)), len(test.truth))


def _held(test: Rows, low: Array, high: Array, ways: Ways) -> Held:
    share = block_coverage((low <= test.truth) & (test.truth <= high), test.blocks)
    weights = paired_weights(len(share), ways.draws, ways.seed)
    return Held(estimate(weights @ share / len(share)), float((high - low).mean()), float(test.truth.std()))


@dataclass(frozen=True)
class Taught:
    """The heads of one property, and what they are worth."""

    of: Property
    heads: Heads
    appraisal: Appraisal


def teach_properties(
    material: Material,
    models: Mapping[str, Model],
    ways: Ways,
    properties: Sequence[Property] = PROPERTIES,
    tell: Callable[[str], None] = lambda done: None,
) -> list[Taught]:
    """Teach, calibrate and score the heads of all properties on the one site of a material.

    Parameters
    ----------
    models : by the names in `NETWORKS`; those that are the same look once
    tell : told what was done

    Raises
    ------
    DataError : the site does not know a property's truth, or has too few blocks.
    """
    for each in properties:
        require_truth(material.sites[0], each)
    grounds = {split: draw_ground(material, split, count, ways.seed) for split, count in ways.cells.items()}
    require_blocks(len(grounds["val"].tiles), ways.confidence)  # before minutes are spent on looking
    seen: dict[str, dict[str, NDArray[np.float32]]] = {split: {} for split in grounds}
    for place, name in enumerate(NETWORKS):
        twin = next((other for other in NETWORKS[:place] if models[other] is models[name]), None)
        for split, ground in grounds.items():
            seen[split][name] = seen[split][twin] if twin else look_at(ground, material, models[name])
        tell(name)
    found = []
    for each in properties:
        rows = {
            split: rows_of(each, read_truth(ground, material, each), seen[split], ground.places)
            for split, ground in grounds.items()
        }
        heads = teach_heads(each, rows["train"], rows["val"], ways)
        found.append(Taught(each, heads, appraise(heads, rows["test"], ways)))
        tell(each.title)
    return found
