"""Sensor change or geology change? What differs between a new site's radiometry and that of the sources."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student
from scipy.stats import ttest_ind

from outcrop.learning.adaptation.heads import Array, Classes

Kind = Literal["none", "sensor or light", "geology", "unclear"]
#: Chance of a false alarm over all bands together.
LEVEL = 0.05
#: A new sensor shifts all classes alike: so many of the labels must agree in direction.
AGREEMENT = 0.75
#: Labels of known classes that a comparison within classes needs.
FEWEST = 5


@dataclass(frozen=True)
class BandShift:
    """One band. Shifts are in standard deviations of the sources' cells, p-values Holm's over all tests.

    ``overall`` compares cells whatever their class, ``within`` cells of the same class (None: too few labels).
    """

    band: str
    overall: float
    overall_p: float
    within: float | None = None
    within_p: float | None = None
    agreement: float | None = None


@dataclass(frozen=True)
class Shift:
    """What the bands say together, in one sentence, and each by itself."""

    kind: Kind
    sentence: str
    bands: tuple[BandShift, ...]


@dataclass(frozen=True)
class Radiometry:
    """Cells by their bands: ``values`` (n, bands) means of each cell's patch, and the ``blocks`` (n,) they lie in."""

    values: Array
    blocks: NDArray[np.int64]

    def by_block(self) -> Array:
        """(blocks, bands) means: cells of one block are not independent."""
        return np.stack([self.values[self.blocks == block].mean(axis=0) for block in np.unique(self.blocks)])


def compare_radiometry(
    names: Sequence[str],
    here: Radiometry,
    there: Radiometry,
    known: Classes,
    labelled: Array,
    classes: Classes,
) -> Shift:
    """Compare a site with the sources, band by band.

    Block means by Welch's test; labels, less the mean of their class at the sources, by a t-test; with Holm's
    correction over both tests of all bands.

    Parameters
    ----------
    names : of the bands
    here, there : unlabelled cells of the site; labelled cells of the sources, of the classes ``known`` (n,)
    labelled : (l, bands) labelled cells of the site, of ``classes`` (l,)
    """
    spread = np.maximum(there.values.std(axis=0), 1e-12)
    ours, theirs = here.by_block(), there.by_block()
    overall = (here.values.mean(axis=0) - there.values.mean(axis=0)) / spread
    raw = np.nan_to_num(ttest_ind(ours, theirs, equal_var=False).pvalue, nan=1.0)
    means = {label: there.values[known == label].mean(axis=0) for label in np.unique(known)}
    kept = np.isin(classes, list(means))
    if kept.sum() < FEWEST:
        rows = zip(names, overall, holm(raw), strict=True)
        return _judged([BandShift(name, float(s), float(p)) for name, s, p in rows])
    residual = (labelled[kept] - np.stack([means[label] for label in classes[kept]])) / spread
    within = residual.mean(axis=0)
    error = np.sqrt(
        residual.var(axis=0, ddof=1) / len(residual) + _mean_error(there.values / spread, known, classes[kept])
    )
    corrected = holm(np.append(raw, 2 * student.sf(np.abs(within) / np.maximum(error, 1e-12), len(residual) - 1)))
    overall_p, within_p = np.split(corrected, 2)
    agreement = (np.sign(residual) == np.sign(within)).mean(axis=0)
    columns = (overall, overall_p, within, within_p, agreement)
    return _judged([BandShift(name, *map(float, row)) for name, *row in zip(names, *columns, strict=True)])


def _mean_error(values: Array, known: Classes, classes: Classes) -> Array:
    """Variance (bands,) that the sources' class means add to the mean residual of labels of ``classes``."""
    parts = []
    for label, count in zip(*np.unique(classes, return_counts=True), strict=True):
        own = values[known == label]
        parts.append((count / len(classes)) ** 2 * own.var(axis=0) / len(own))
    return np.asarray(np.sum(parts, axis=0))


def holm(p: Array) -> Array:
    """Holm's step-down correction (1979, Scandinavian Journal of Statistics 6) of p-values (bands,)."""
    order = np.argsort(p)
    stepped = np.maximum.accumulate((len(p) - np.arange(len(p))) * p[order])
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected


def _judged(bands: Sequence[BandShift]) -> Shift:
    differ = [each for each in bands if each.overall_p < LEVEL]
    moved = [each for each in bands if each.within_p is not None and each.within_p < LEVEL]
    alike = [each for each in moved if (each.agreement or 0) >= AGREEMENT]
    if alike:
        told = f"the same classes look different here, all in one direction ({_listed(alike)})"
        return Shift("sensor or light", f"looks like another sensor or other light: {told}", tuple(bands))
    if moved:
        told = f"the same classes look different here, each in its own way ({_listed(moved)})"
        return Shift("geology", f"looks like other rocks under the same names: {told}", tuple(bands))
    if not differ:
        return Shift("none", "no band differs from the source sites beyond chance", tuple(bands))
    if any(each.within is None for each in differ):
        told = f"bands differ ({_listed(differ)}), and too few labels say whether the classes themselves do"
        return Shift("unclear", told, tuple(bands))
    told = f"bands differ ({_listed(differ)}), but the labelled classes look as they do at the source sites"
    return Shift("geology", f"looks like another mix of rocks: {told}", tuple(bands))


def _listed(bands: Sequence[BandShift], limit: int = 4) -> str:
    shown = sorted(bands, key=lambda each: -abs(each.within if each.within is not None else each.overall))[:limit]
    parts = [f"{each.band} {each.within if each.within is not None else each.overall:+.1f} sd" for each in shown]
    return ", ".join(parts) + (f" and {len(bands) - limit} more" if len(bands) > limit else "")


def band_names(inputs: Mapping[str, Sequence[str]]) -> list[str]:
    """``modality band`` of every band of a model's inputs; a modality with one band goes by its own name."""
    return [f"{name} {band}" if len(bands) > 1 else name for name, bands in inputs.items() for band in bands]
