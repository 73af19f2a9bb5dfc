"""Cameras are summed by area, and those that are missing widen the interval."""

import numpy as np
import pytest

from outcrop.errors import OutcropError
from outcrop.field.carbon.fractions import Confusion
from outcrop.field.carbon.networks import Network, View, estimate_network
from outcrop.field.carbon.potentials import Pathway
from outcrop.field.carbon.profiles import load_profile
from outcrop.field.carbon.quantities import Quantity
from outcrop.field.carbon.uptake import Given

CONFUSION = Confusion(("olivine", "vegetation"), np.array([[950.0, 50.0], [50.0, 950.0]]), 1000)
GIVEN = Given(Pathway.carbonation, depth=Quantity(value=0.1, sd=0.01, unit="m", source="test"))
#: Olivine and vegetation of three cameras.
VIEWS = {
    "a": View(np.array([800, 200]), 0.25),
    "b": View(np.array([700, 300]), 0.25),
    "c": View(np.array([150, 50]), 1.0),
}


def network(views: dict[str, View], *missing: float) -> Network:
    return estimate_network(load_profile("capacity"), GIVEN, CONFUSION, views, missing, seed=1)


def width(found: Network) -> float:
    assert found.whole is not None
    return (found.whole.p95 - found.whole.p5) / found.whole.p50


def test_all_cameras_are_summed_by_area() -> None:
    found = network(VIEWS)
    assert found.seen_m2 == 1000 * 0.25 * 2 + 200 and found.missing_m2 == 0 and found.whole == found.seen
    assert found.seen.p50 == pytest.approx(sum(each.gross.p50 for each in found.views.values()), rel=0.05)


def test_a_missing_camera_widens_the_interval() -> None:
    whole, less, least = network(VIEWS), network(VIEWS, 200.0), network(VIEWS, 200.0, 1000.0)
    assert width(whole) < width(less) < width(least)
    assert less.whole is not None
    assert less.whole.p50 == pytest.approx(whole.seen.p50 * (1 + 200 / whole.seen_m2), rel=0.05)
    assert less.whole.p5 > 0 and least.missing_m2 == 1200


def test_one_camera_does_not_stand_for_others() -> None:
    found = network({"a": VIEWS["a"]}, 200.0)
    assert found.whole is None and found.seen.p50 > 0


def test_what_has_no_sum_is_refused() -> None:
    with pytest.raises(OutcropError, match="an index has no sum"):
        estimate_network(load_profile("legacy"), Given(Pathway.carbonation), CONFUSION, VIEWS, [], 1)
    with pytest.raises(OutcropError, match="no camera has a picture"):
        network({})
