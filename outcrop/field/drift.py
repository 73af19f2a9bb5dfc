"""Has the sensor changed, or the ground? Told from the spectra of cells that were seen before.

Between two acquisitions of one ground a sensor's gain lifts ln R of all cells and bands alike, a shift of its
wavelengths lifts it where spectra are steep, and new rock changes some cells as no mixture of the known ones does. The
first two are medians over cells, so that new rock in a minority of them does not look like a sensor; the third is what
is left when both are taken away.

What lifts one band of all cells alike is no shift's: calibration, the air and the light's colour do that on every date,
and where bands are few, a small error in each looks like a shift. Cells whose spectra are steep in other places are
moved otherwise by a shift, and by it alone; so it is told from how cells differ.

How much acquisitions differ anyway is measured where there are `FEWEST` of them, each compared with the others. Before,
it must be stated, and what errs alike in all cells of a band is not taken for rock.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from scipy.stats import t as student

from outcrop.errors import DataError

#: Share of undrifted scenes in which an alarm is accepted, for all tests together.
ALPHA = 0.05
#: Share of a spectrum's variance that the basis of the known ground leaves out, and the quantile of the residuals of
#: known ground beyond which a cell is new.
LEFT_OUT, KNOWN = 1e-3, 0.995
#: Acquisitions without which it is not known how much they differ anyway.
FEWEST = 6
#: Smallest standard deviations that are believed, of ln R and of nm; that of a share of cells is binomial.
FLOORS = {"gain": 1e-3, "shift": 0.02}
DARKEST = 1e-4
#: Half the width, in nm, over which a spectrum is taken for straight: detectors overlap, bands may be 1 nm apart.
STRAIGHT = 20.0
#: A band whose cells scatter by so many times what the median band's do shows noise: the air lets no light through.
NOISY = 3.0
Array = NDArray[np.float64]
Quantity = Literal["gain", "shift", "new"]
QUANTITIES: tuple[Quantity, ...] = ("gain", "shift", "new")


@dataclass(frozen=True)
class Measured:
    """How an acquisition differs from the reference: ln of a gain, nm of a shift, share of cells with new rock."""

    gain: float
    shift: float
    new: float


@dataclass(frozen=True)
class Finding:
    """One thing that has changed, how much, and how often chance alone would give as much."""

    name: str
    sentence: str
    p_value: float


@dataclass(frozen=True)
class Reference:
    """What is known of a ground: ln R (N, B) of its cells, its basis (K, B), and how acquisitions of it differ.

    ``level`` is the median residual of known ground. How they differ is measured (``typical``) or ``stated``.
    """

    wavelengths_nm: Array
    spectra: Array
    slopes: Array
    mean: Array
    basis: Array
    limit: float
    level: float
    typical: tuple[Measured, ...] = ()
    stated: Measured | None = None


def fit_reference(acquisitions: Sequence[Array], wavelengths_nm: Array, stated: Measured | None = None) -> Reference:
    """Learn a ground from acquisitions of it that are accepted.

    Parameters
    ----------
    acquisitions : each (N, B) reflectance of the same cells
    wavelengths_nm : (B,) ascending
    stated : standard deviations by which acquisitions of unchanged ground differ; used of fewer than `FEWEST`

    Raises
    ------
    DataError : there are too few acquisitions, or they are not of the same cells and bands.
    """
    few = len(acquisitions) < FEWEST
    if not acquisitions or (few and stated is None):
        raise DataError(f"drift cannot be told from {len(acquisitions)} acquisitions", remedy=f"give at least {FEWEST}")
    if len({each.shape for each in acquisitions}) > 1 or acquisitions[0].shape[1:] != wavelengths_nm.shape:
        raise DataError("the acquisitions differ in their cells or bands", remedy="give the same cells and bands")
    logs = np.stack([_log(each) for each in acquisitions])
    whole = _learn(logs, wavelengths_nm)
    if few:
        return replace(whole, stated=stated)
    # Each is measured by a reference that does not know it.
    typical = tuple(
        measure(_learn(np.delete(logs, left, axis=0), wavelengths_nm), acquisitions[left]) for left in range(len(logs))
    )
    return replace(whole, typical=typical)


def measure(reference: Reference, acquisition: Array, shifting: bool = True) -> Measured:
    """How an acquisition (N, B) differs from the reference; ``shifting``: its wavelengths may have shifted.

    Raises
    ------
    DataError : it is not of the reference's cells and bands.
    """
    if acquisition.shape != reference.spectra.shape:
        raise DataError(
            "the acquisition is not of the reference's cells and bands",
            where=f"{acquisition.shape}, expected {reference.spectra.shape}",
            remedy="cut it to the same cells and bands",
        )
    seen = _log(acquisition)
    shift = _fit_shift(seen - reference.spectra, reference.slopes) if shifting else 0.0
    gain = float(np.median((seen - reference.spectra - shift * reference.slopes).mean(axis=1)))
    seen = seen - gain - shift * reference.slopes
    if reference.stated:
        seen = seen - np.median(seen - reference.spectra, axis=0)
    residuals = _residuals(seen, reference.mean, reference.basis)
    if reference.stated:
        residuals = residuals * reference.level / max(float(np.median(residuals)), 1e-300)
    return Measured(gain, shift, float((residuals > reference.limit).mean()))


def clear_bands(earlier: Sequence[Array], now: Array) -> NDArray[np.bool_]:
    """Which bands (B,) show the ground; spectra are steepest, and seem newest, where there is noise alone.

    Parameters
    ----------
    earlier, now : (N, B) reflectance of the same cells
    """
    difference = _log(now) - np.median([_log(each) for each in earlier], axis=0)
    scatter = np.median(np.abs(difference - np.median(difference, axis=0)), axis=0)
    return np.asarray(scatter <= NOISY * max(float(np.median(scatter)), FLOORS["gain"]))


def examine(
    reference: Reference, acquisition: Array, alpha: float = ALPHA, quantities: Sequence[Quantity] = QUANTITIES
) -> list[Finding]:
    """What has changed beyond what accepted acquisitions differ by; nothing, of most that have not drifted.

    Each quantity is compared with its spread over the reference's acquisitions (Student's t of a new observation), or
    with the stated one (normal); the tests share ``alpha`` (Bonferroni).

    Parameters
    ----------
    quantities : that are looked at; of bands without wavelengths a shift means nothing, of few bands all rock is a
        mixture
    """
    found, findings = measure(reference, acquisition, "shift" in quantities), []
    words = {
        "gain": f"the sensor's gain has changed by {np.expm1(found.gain):+.1%}",
        "shift": f"the sensor's wavelengths have shifted by {found.shift:+.1f} nm",
        "new": f"{found.new:.1%} of the cells hold rock that no mixture of the known ones explains",
    }
    for name in quantities:
        tail = _tail(reference, name, getattr(found, name), len(acquisition))
        p_value = tail if name == "new" else 2 * min(tail, 1 - tail)
        if p_value <= alpha / len(quantities):
            findings.append(Finding(name, words[name], p_value))
    return findings


def _tail(reference: Reference, name: Quantity, value: float, cells: int) -> float:
    """How often chance gives at least such a value."""
    if reference.stated:
        usual = 1 - KNOWN if name == "new" else 0.0
        return float(norm.sf((value - usual) / getattr(reference.stated, name)))
    floors = {**FLOORS, "new": float(np.sqrt(KNOWN * (1 - KNOWN) / cells))}
    typical = np.array([getattr(each, name) for each in reference.typical])
    spread = max(float(typical.std(ddof=1)), floors[name]) * np.sqrt(1 + 1 / len(typical))
    return float(student.sf((value - typical.mean()) / spread, len(typical) - 1))


def _log(reflectance: Array) -> Array:
    return np.asarray(np.log(np.maximum(reflectance, DARKEST)), dtype=np.float64)


def _learn(logs: Array, wavelengths_nm: Array) -> Reference:
    """What acquisitions (S, N, B) of ln R say of the ground, without how they differ."""
    spectra = np.median(logs, axis=0)
    slopes = _slopes(spectra, wavelengths_nm)
    mean = spectra.mean(axis=0)
    _, sizes, vectors = np.linalg.svd(spectra - mean, full_matrices=False)
    explained = np.cumsum(sizes**2) / max(float((sizes**2).sum()), 1e-300)
    basis = vectors[: int(np.searchsorted(explained, 1 - LEFT_OUT)) + 1]
    residuals = np.concatenate([_residuals(each, mean, basis) for each in logs])
    limit, level = float(np.quantile(residuals, KNOWN)), float(np.median(residuals))
    return Reference(wavelengths_nm, spectra, slopes, mean, basis, limit, level)


def _slopes(logs: Array, wavelengths_nm: Array) -> Array:
    """Slopes (N, B) of the straight lines through the bands beside each, those within `STRAIGHT` but at least the next.

    The band itself has no say, for its noise would then be on both sides of the fit of a shift.
    """
    count = len(wavelengths_nm)
    near = np.abs(wavelengths_nm[:, None] - wavelengths_nm) <= STRAIGHT
    near |= np.eye(count, k=1, dtype=bool) | np.eye(count, k=-1, dtype=bool)
    np.fill_diagonal(near, False)
    near[0, 0] = near[-1, -1] = True  # the ends may have one neighbour
    means = near @ wavelengths_nm / near.sum(axis=1)
    weights = np.where(near, wavelengths_nm - means[:, None], 0.0)
    return np.asarray(logs @ (weights / (weights**2).sum(axis=1, keepdims=True)).T)


def _fit_shift(difference: Array, slopes: Array) -> float:
    """Median over cells of the shift (nm) that explains best how the difference (N, B) of each differs from others'."""
    apart, steeper = (_apart(each) for each in (difference, slopes))
    weights = (steeper**2).sum(axis=1)
    return _weighted_median((apart * steeper).sum(axis=1) / np.maximum(weights, 1e-300), weights)


def _apart(values: Array) -> Array:
    """Values (N, B) without what is alike in all cells of a band, or in all bands of a cell."""
    own = values - np.median(values, axis=0)
    return np.asarray(own - own.mean(axis=1, keepdims=True))


def _weighted_median(values: Array, weights: Array) -> float:
    order = np.argsort(values)
    reached = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(reached, reached[-1] / 2)])


def _residuals(logs: Array, mean: Array, basis: Array) -> Array:
    """Root mean square (N,) of what the basis does not explain."""
    centred = logs - mean
    return np.asarray(np.sqrt(((centred - centred @ basis.T @ basis) ** 2).mean(axis=1)))
