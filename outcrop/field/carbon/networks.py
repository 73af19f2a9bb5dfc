"""A network of cameras: what the ground that each shows could take up, and what all of them together could.

The ground of all pictures is summed by area, under one draw of what is uncertain for all alike: coefficients, depth,
how often the model errs. A camera that is missing showed ground of the same site: its uptake a square metre is drawn
from how far those of the others lie apart (Student's t of a new observation), which widens the interval.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outcrop.errors import DataError, ParamsError
from outcrop.field.carbon.estimates import DRAWS, Estimate, Range, draw_total, estimate
from outcrop.field.carbon.fractions import Confusion
from outcrop.field.carbon.profiles import Profile
from outcrop.field.carbon.uptake import Given


@dataclass(frozen=True)
class View:
    """What one picture shows: mapped cells (K,) of each class, and the ground of a cell."""

    counts: NDArray[np.integer]
    cell_m2: float

    @property
    def area_m2(self) -> float:
        """Mapped ground."""
        return float(self.counts.sum()) * self.cell_m2


@dataclass(frozen=True)
class Network:
    """What a network tells.

    Parameters
    ----------
    views : the estimate of each picture
    seen_m2, missing_m2 : ground that is mapped, and that missing cameras would have shown
    seen : net uptake of the mapped ground, gross where losses and emissions were not given
    whole : of all ground; None where cameras are missing and fewer than two are there, so that nobody knows how places
        differ
    """

    views: dict[str, Estimate]
    seen_m2: float
    missing_m2: float
    seen: Range
    whole: Range | None

    def told(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def estimate_network(
    profile: Profile,
    given: Given,
    confusion: Confusion,
    views: Mapping[str, View],
    missing_m2: Sequence[float],
    seed: int,
    draws: int = DRAWS,
) -> Network:
    """Estimate what the ground of a network binds.

    Parameters
    ----------
    missing_m2 : ground of each camera that has no picture

    Raises
    ------
    ParamsError : the profile is an index, which has no sum; or see `check_given`.
    DataError : no camera has a picture, or see `estimate`.
    """
    if profile.quantity == "index":
        raise ParamsError("an index has no sum over cameras", where=profile.profile, remedy="take capacity or rate")
    if not views:
        raise DataError("no camera has a picture", remedy="check the cameras' `images`")
    each = {
        name: estimate(profile, given, confusion, view.counts, view.cell_m2, seed, draws)
        for name, view in views.items()
    }
    seen_m2 = sum(view.area_m2 for view in views.values())
    cell_m2 = min(view.cell_m2 for view in views.values())
    pooled = np.rint(sum(view.counts * (view.cell_m2 / cell_m2) for view in views.values())).astype(np.int64)
    total = draw_total(profile, given, confusion, pooled, cell_m2, seed, draws)
    yields = np.array([_uptake(each[name]).p50 / view.area_m2 for name, view in views.items()])
    whole: Range | None = Range.of(total)
    if missing_m2:
        whole = Range.of(total + _missing(total / seen_m2, yields, missing_m2, seed)) if len(yields) > 1 else None
    return Network(each, seen_m2, float(sum(missing_m2)), Range.of(total), whole)


def _uptake(found: Estimate) -> Range:
    return found.net or found.gross


def _missing(
    mean: NDArray[np.float64], yields: NDArray[np.float64], missing_m2: Sequence[float], seed: int
) -> NDArray[np.float64]:
    """Uptake (draws,) of ground that nobody has seen.

    Parameters
    ----------
    mean : (draws,) uptake a square metre of the ground that was seen
    yields : (cameras,) that of each camera
    """
    rng = np.random.default_rng([seed, len(yields), len(missing_m2)])
    spread = yields.std(ddof=1) * np.sqrt(1 + 1 / len(yields))
    total = np.zeros_like(mean)
    for area in missing_m2:
        drawn = mean + spread * rng.standard_t(len(yields) - 1, size=len(mean))
        total += area * np.maximum(drawn, np.minimum(mean, 0))  # rock gives nothing off; its supply chain may
    return total
