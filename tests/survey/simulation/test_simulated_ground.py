"""The ground as instruments and scores will read it: windows, consistency of cells and pixels, minerals, years."""

import subprocess
import sys
from dataclasses import fields
from hashlib import sha256
from typing import Any

import numpy as np
import pytest
from scipy import stats

from outcrop.errors import SurveyError
from outcrop.survey.simulation.composition import compositions
from outcrop.survey.simulation.endmembers import ENDMEMBERS
from outcrop.survey.simulation.fields import Window, pooled
from outcrop.survey.simulation.ground import Ground
from outcrop.survey.simulation.places import load_places, mean_composition
from outcrop.survey.simulation.surfaces import FINE, MARGIN
from outcrop.survey.simulation.units import UNITS, units
from outcrop.survey.simulation.weathering import SILICATES, carbonation, rate, reacted

PLACES = load_places()
SIZE = 75


@pytest.fixture(scope="module", params=list(PLACES))
def ground(request: pytest.FixtureRequest) -> Ground:
    return Ground(PLACES[request.param], SIZE, 7, years=2.0)


def arrays(cover: Any) -> dict[str, np.ndarray]:
    found = {field.name: getattr(cover, field.name) for field in fields(cover)}
    return {**{key: value for key, value in found.items() if key != "truth"}, **found.get("truth", {})}


WINDOWS = [(0, 0, SIZE, SIZE), (-MARGIN, -MARGIN, 1, 1), (40, 13, 30, 62), (47, -9, 1, 70), (90, 90, 1, 1)]


def test_windows_show_the_same_ground_however_they_are_cut(ground: Ground) -> None:
    whole = arrays(ground.cover(-MARGIN, -MARGIN, SIZE + 2 * MARGIN, SIZE + 2 * MARGIN))
    fresh = Ground(ground.place, SIZE, 7, years=2.0)
    for row, col, height, width in WINDOWS:
        for name, part in arrays(fresh.cover(row, col, height, width)).items():
            expected = whole[name][..., row + MARGIN : row + MARGIN + height, col + MARGIN : col + MARGIN + width]
            assert np.array_equal(part, expected), (name, row, col)
        fine = arrays(ground.fine(FINE * row, FINE * col, FINE * height, FINE * width))
        odd = arrays(fresh.fine(FINE * row + 1, FINE * col + 2, 2, 1))
        assert all(np.array_equal(odd[name], fine[name][1:3, 2:3]) for name in fine), (row, col)


def test_cells_are_what_their_pixels_add_up_to(ground: Ground) -> None:
    cover, fine = ground.cover(3, 5, 30, 20), ground.fine(12, 20, 120, 80)
    assert np.array_equal(cover.vegetation, pooled(fine.vegetation))
    assert np.allclose(cover.coating, pooled(fine.coating))
    pixels = fine.unit.reshape(30, 4, 20, 4).transpose(0, 2, 1, 3).reshape(30, 20, 16)
    counts = np.stack([(pixels == value).sum(axis=-1) for value in range(len(UNITS))])
    ordered = np.sort(counts, axis=0)
    assert np.array_equal(np.take_along_axis(counts, cover.units[:1].astype(int), 0)[0], ordered[-1])
    assert np.allclose(cover.share, ordered[-1] / (ordered[-1] + ordered[-2]))
    assert np.array_equal(cover.labels, counts.argmax(axis=0))


def test_everything_lies_in_its_range(ground: Ground) -> None:
    cover, fine = ground.cover(0, 0, SIZE, SIZE), ground.fine(0, 0, FINE * SIZE, FINE * SIZE)
    assert np.allclose(cover.fractions.sum(axis=1), 1, atol=1e-5)
    assert cover.fractions.min() >= 0
    assert cover.share.min() >= 0.5
    assert cover.share.max() <= 1
    for share in (cover.coating, cover.vegetation, fine.coating, fine.vegetation, cover.truth["carbonation"]):
        assert 0 <= share.min() <= share.max() <= 1
    assert 0.05 < np.median(cover.grain) < 3
    assert 0.05 < fine.texture.std() < 0.15
    assert 30 < cover.thermal_inertia.min() < cover.thermal_inertia.max() < 2500
    assert cover.radioelements.min() > 0
    assert 3.5 < cover.truth["soil_ph"].min() < cover.truth["soil_ph"].max() < 10.5
    assert all(value.dtype == np.float32 for name, value in arrays(cover).items() if name != "units")
    assert cover.units.dtype == fine.unit.dtype == np.uint8
    if ground.place.planet == "mars":
        assert not cover.vegetation.any()
        assert not (cover.units == UNITS.index("vegetation")).any()


def test_grain_and_coating_overlap_between_units() -> None:
    """A scalar that gave the class away would be a cue that no field has."""
    fine = Ground(PLACES["iceland"], 128, 7).fine(0, 0, 512, 512)
    for values in (np.log(fine.grain), fine.coating):
        rocks = [values[fine.unit == value][::50] for value in range(9)]
        middles = np.array([np.median(rock) for rock in rocks])
        assert np.ptp(middles) < 1.3 * np.median([rock.std() for rock in rocks])


def digest(name: str, seed: int) -> str:
    cover = Ground(PLACES[name], 20, seed).cover(-MARGIN, 0, 30, 20)
    return sha256(b"".join(np.ascontiguousarray(value).tobytes() for value in arrays(cover).values())).hexdigest()


def test_another_process_makes_the_same_bytes_and_another_seed_others() -> None:
    code = "from test_simulated_ground import digest; print(digest('oman', 7))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=__file__.rsplit("/", 1)[0]
    )
    assert done.stdout.strip() == digest("oman", 7)
    assert digest("oman", 8) != digest("oman", 7)


@pytest.mark.parametrize("size", [1, 5, 33, 65])
def test_odd_sizes_work(size: int) -> None:
    ground = Ground(PLACES["gusev"], size, 1)
    assert ground.elevation.shape == (size + 2 * MARGIN,) * 2
    assert ground.cover(-MARGIN, -MARGIN, size + 2 * MARGIN, size + 2 * MARGIN).share.shape == ground.elevation.shape


def test_windows_beyond_the_margin_are_refused() -> None:
    with pytest.raises(IndexError):
        Ground(PLACES["gusev"], 10, 1).cover(-MARGIN - 1, 0, 5, 5)


@pytest.mark.parametrize(
    ("size", "years", "message"), [(0, 0.0, "size"), (10, -1.0, "years"), (10, float("nan"), "years")]
)
def test_impossible_sites_are_refused_in_one_sentence(size: int, years: float, message: str) -> None:
    with pytest.raises(SurveyError, match=message):
        Ground(PLACES["gusev"], size, 1, years)


def test_fractions_are_dirichlet_around_the_mean() -> None:
    place, unit = PLACES["iceland"], "basalt"
    value, cells = UNITS.index(unit), Window(0, 0, 900, 900)
    present = np.full((1, 900, 900), value, dtype=np.uint8)
    drawn = compositions(place).draw(present, (3,), cells)[0]
    mean, total = mean_composition(place, unit), units()[unit].concentration
    assert np.allclose(drawn.mean(axis=(1, 2)), mean, atol=0.01)
    assert np.allclose(drawn.var(axis=(1, 2)), mean * (1 - mean) / (total + 1), rtol=0.15, atol=1e-4)
    plagioclase = ENDMEMBERS.index("plagioclase")
    marginal = stats.beta(total * mean[plagioclase], total * (1 - mean[plagioclase]))
    sample = drawn[plagioclase, ::45, ::45].ravel()
    assert stats.kstest(sample, marginal.cdf).pvalue > 1e-3
    near = np.corrcoef(drawn[plagioclase, :, :-1].ravel(), drawn[plagioclase, :, 1:].ravel())[0, 1]
    assert near > 0.4


def test_rates_are_those_that_handbooks_give_at_ph_7() -> None:
    """log10 of mol m-2 s-1 at 25 C, from Palandri & Kharaka 2004."""
    expected = {
        "olivine": -10.0,
        "wollastonite": -8.1,
        "plagioclase": -10.9,
        "clinopyroxene": -10.9,
        "serpentine": -11.3,
    }
    for name, logarithm in expected.items():
        assert np.log10(rate(SILICATES[name], 7.0, 298.15)) == pytest.approx(logarithm, abs=0.1)


def test_small_grains_warm_and_sour_soil_dissolve_faster() -> None:
    diameters = np.array([20.0, 75.0, 300.0])
    shares = reacted("olivine", diameters, 6.0, 288.0, 1.0, 5.0)
    assert (np.diff(shares) < 0).all()
    assert (reacted("olivine", diameters, 5.0, 288.0, 1.0, 5.0) > shares).all()
    assert (reacted("olivine", diameters, 6.0, 298.0, 1.0, 5.0) > shares).all()
    assert (reacted("wollastonite", diameters, 6.0, 288.0, 1.0, 5.0) > shares).all()
    assert not reacted("olivine", diameters, 6.0, 288.0, 1.0, 0.0).any()
    assert reacted("olivine", diameters, 6.0, 288.0, 1.0, 1e6).min() == 1


def test_carbonation_is_the_carbonates_share() -> None:
    masses = np.zeros((len(ENDMEMBERS), 3), dtype=np.float32)
    masses[ENDMEMBERS.index("calcite")] = [1, 1, 0]
    masses[ENDMEMBERS.index("olivine")] = [0, 3, 0]
    masses[ENDMEMBERS.index("quartz")] = [0, 5, 1]
    assert np.allclose(carbonation(masses), [1, 0.25, 0])


def test_years_change_minerals_ph_and_plants_but_not_what_was_spread() -> None:
    before, after = (Ground(PLACES["illinois"], 96, 7, years).cover(0, 0, 96, 96) for years in (0.0, 6.0))
    assert np.array_equal(before.units, after.units)
    spread = before.units[0] == UNITS.index("wollastonite")
    for name in ("carbonation", "soil_ph"):
        assert (after.truth[name] >= before.truth[name] - 1e-6).all()
        assert after.truth[name][spread].mean() > before.truth[name][spread].mean() + 0.1
    calcite, silicate = ENDMEMBERS.index("calcite"), ENDMEMBERS.index("wollastonite")
    first, later = (cover.fractions[0][:, spread].mean(axis=1) for cover in (before, after))
    assert later[calcite] > first[calcite]
    assert later[silicate] < first[silicate]
    olivine = before.units[0] == UNITS.index("olivine")
    goethite = ENDMEMBERS.index("goethite")
    assert after.fractions[0][goethite, olivine].mean() > before.fractions[0][goethite, olivine].mean()
    assert after.vegetation.mean() > before.vegetation.mean()


def test_years_coat_the_rocks_of_other_places() -> None:
    before, after = (Ground(PLACES["oman"], 64, 7, years).cover(0, 0, 64, 64) for years in (0.0, 10.0))
    assert np.array_equal(before.fractions, after.fractions)
    assert after.coating.mean() > before.coating.mean()
