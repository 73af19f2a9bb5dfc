"""What lies where: borders, coverage, and single structures on a plain without any others."""

from typing import Any

import numpy as np
import pytest

from outcrop.survey.simulation.fields import Window, smooth
from outcrop.survey.simulation.geology import map_units
from outcrop.survey.simulation.ground import Ground
from outcrop.survey.simulation.lattices import across, along, choose, nearest, things
from outcrop.survey.simulation.places import Place, load_places
from outcrop.survey.simulation.surfaces import MARGIN
from outcrop.survey.simulation.terrain import Terrain
from outcrop.survey.simulation.units import UNITS

PLACES = load_places()
SIZE, BLOCK = 128, 32
BASALT, OLIVINE, CALCITE = (UNITS.index(name) for name in ("basalt", "olivine", "calcite"))


@pytest.fixture(scope="module", params=["iceland", "lanzarote", "gusev"])
def training_site(request: pytest.FixtureRequest) -> Ground:
    return Ground(PLACES[request.param], SIZE, 7)


def test_every_class_is_found_in_many_blocks(training_site: Ground) -> None:
    labels = training_site.cover(0, 0, SIZE, SIZE).labels
    blocks = labels.reshape(SIZE // BLOCK, BLOCK, SIZE // BLOCK, BLOCK).transpose(0, 2, 1, 3).reshape(16, -1)
    for value, name in enumerate(UNITS):
        found = int(((blocks == value).sum(axis=1) >= 9).sum())
        if name == "vegetation" and training_site.place.planet == "mars":
            assert found == 0
        else:
            assert found >= 6, name


def test_many_cells_are_mixed_and_most_footprints_meet_a_border(training_site: Ground) -> None:
    cover = training_site.cover(0, 0, SIZE, SIZE)
    assert 0.15 <= float((cover.share < 0.8).mean()) <= 0.30
    windows = np.lib.stride_tricks.sliding_window_view(cover.labels, (9, 9))
    assert float((windows.min(axis=(2, 3)) != windows.max(axis=(2, 3))).mean()) > 0.7


def bare(**changes: Any) -> Place:
    """A plain of basalt without anything else."""
    place = PLACES["iceland"]
    nothing = {"faults": None, "dykes": None, "stocks": None, "talus": None, "bedrock": {"basalt": 1.0}}
    deposits = {"clay": 0.0, "soil": 0.0, "vegetation": 0.0}
    return Place.model_validate({**place.model_dump(), **nothing, "deposits": deposits, **changes})


def mapped(place: Place, cells: int = 160) -> np.ndarray:
    side = cells + 2 * MARGIN
    wetness = smooth((1,), Window(-MARGIN, -MARGIN, side, side), 8.0)
    flat = Terrain(np.zeros((side, side), np.float32), wetness)
    return map_units(place, flat, (7,), Window(0, 0, cells, cells))


def test_a_plain_of_one_rock_is_that_rock() -> None:
    assert (mapped(bare()) == BASALT).all()


def test_rocks_cover_what_their_weights_say() -> None:
    found = mapped(bare(bedrock={"basalt": 0.6, "olivine": 0.3, "calcite": 0.1}), cells=400)
    shares = [float((found == unit).mean()) for unit in (BASALT, OLIVINE, CALCITE)]
    assert shares == pytest.approx([0.6, 0.3, 0.1], abs=0.03)


def test_dykes_run_along_their_strike() -> None:
    dykes = {"spacing": 40, "strike": 0, "share": 1.0, "width": 3.0, "units": {"olivine": 1}}
    found = mapped(bare(dykes=dykes)) == OLIVINE
    assert 0.02 < found.mean() < 0.15
    # North to south: a pixel's neighbours below it belong to the dyke far more often than those beside it.
    assert (found[:-40] & found[40:]).sum() > 3 * (found[:, :-40] & found[:, 40:]).sum()


def test_stocks_are_round_and_as_many_as_said() -> None:
    stocks = {"spacing": 24, "share": 0.5, "radius": 5, "units": {"olivine": 1}}
    found = mapped(bare(stocks=stocks), cells=400) == OLIVINE
    assert found.mean() == pytest.approx(0.5 * np.pi * 5**2 / 24**2, rel=0.3)


def test_faults_shift_layers_and_hold_veins() -> None:
    whole = bare(bedrock={"basalt": 1.0, "olivine": 1.0})
    faults = {"spacing": 50, "strike": 90, "throw": 8, "width": 2.0, "units": {"calcite": 1}}
    broken = whole.model_copy(update={"faults": bare(faults=faults).faults})
    first, second = mapped(whole), mapped(broken)
    vein = second == CALCITE
    assert 0.01 < vein.mean() < 0.1
    assert (first != second)[~vein].mean() > 0.2


def test_deposits_cover_their_shares() -> None:
    found = mapped(bare(deposits={"clay": 0.1, "soil": 0.2, "vegetation": 0.15}), cells=400)
    shares = [float((found == UNITS.index(name)).mean()) for name in ("clay", "soil", "vegetation")]
    assert shares == pytest.approx([0.1 * 0.85, 0.2 * 0.85, 0.15], abs=0.04)


def test_talus_comes_from_above() -> None:
    """Basalt above a scarp, olivine below it: basalt lies on olivine's ground, never the other way round."""
    side = 160 + 2 * MARGIN
    rows = np.repeat(np.arange(side, dtype=np.float32)[:, None], side, axis=1)
    scarp = Terrain(np.clip(4 * (80 - rows), -60, 60) + 80, np.zeros((side, side), np.float32))
    place = bare(bedrock={"basalt": 1.0, "olivine": 1.0}, beds={**bare().beds.model_dump(), "spread": 0.0})
    fallen = place.model_copy(update={"talus": bare(talus={"steep": 20, "reach": 8}).talus})
    window = Window(0, 0, 160, 160)
    changed = map_units(place, scarp, (7,), window) != map_units(fallen, scarp, (7,), window)
    by_row = changed.reshape(160, 4, -1).mean(axis=(1, 2))
    below = 80 + 15 - MARGIN
    assert by_row[below - 2 : below + 8].max() > 0.1
    assert by_row[: below - 12].max() < 0.05


@pytest.mark.parametrize("seed", range(3))
def test_the_nearest_thing_is_among_four(seed: int) -> None:
    down, right = np.random.default_rng(seed).uniform(-20, 20, (2, 2000)).astype(np.float32)
    around = things((seed,), down, right)
    found, distance = nearest(around, down, right)
    apart = np.hypot(down[:, None] - around.down.ravel(), right[:, None] - around.right.ravel())
    assert np.array_equal(found, apart.argmin(axis=1))
    assert np.allclose(distance, apart.min(axis=1), atol=1e-5)


def test_directions_are_clockwise_from_north() -> None:
    north, east = np.float32([-1, 0]), np.float32([0, 1])
    assert np.allclose(across(*np.stack([north, east], axis=1), 0), [0, 1])
    assert np.allclose(along(*np.stack([north, east], axis=1), 0), [1, 0])
    assert np.allclose(along(*np.stack([north, east], axis=1), 90), [0, 1], atol=1e-6)


def test_ranks_mean_units_by_weight() -> None:
    chosen = choose(np.linspace(0, 1, 1001, dtype=np.float32), {"basalt": 3, "calcite": 1})
    assert set(np.unique(chosen)) == {BASALT, CALCITE}
    assert float((chosen == BASALT).mean()) == pytest.approx(0.75, abs=0.01)
