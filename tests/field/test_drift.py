"""Drift is named for what it is, and undrifted acquisitions give no alarm."""

import numpy as np
import pytest

from outcrop.errors import OutcropError
from outcrop.field.drift import Measured, Reference, clear_bands, examine, fit_reference, measure
from outcrop.survey.sensors import sensor_bands

WAVELENGTHS = np.linspace(400, 2500, 224)
CELLS = 250


def spectrum(bands: list[tuple[float, float, float]], wavelengths: np.ndarray) -> np.ndarray:
    """ln R with absorption bands: centre, width and depth."""
    continuum = -1.2 + 0.25 * np.log(wavelengths / 1000)
    return continuum - sum(
        depth * np.exp(-((wavelengths - centre) ** 2) / 2 / width**2) for centre, width, depth in bands
    )


ROCKS = ([(1050, 180, 0.6), (850, 60, 0.1)], [(950, 90, 0.4), (1900, 150, 0.5)], [(520, 70, 0.9), (880, 80, 0.4)],
         [(1400, 30, 0.3), (1910, 40, 0.5), (2200, 35, 0.4)])  # fmt: skip
NEWCOMER = [(2320, 45, 0.8), (680, 25, 0.7)]
SHARES = np.random.default_rng(0).dirichlet([1.0] * len(ROCKS), CELLS)


def acquire(seed: int, *, gain: float = 0.0, shift: float = 0.0, new: float = 0.0) -> np.ndarray:
    """Reflectance (cells, bands): every acquisition errs a little in gain, wavelength and every band."""
    rng = np.random.default_rng([seed, 9])
    seen_at = WAVELENGTHS + shift + rng.normal(0, 0.1)
    mixed = SHARES @ np.exp([spectrum(rock, seen_at) for rock in ROCKS])
    strange = rng.random(CELLS) < new
    mixed[strange] = 0.4 * mixed[strange] + 0.6 * np.exp(spectrum(NEWCOMER, seen_at))
    errors = (
        (1 + gain) * np.exp(rng.normal(0, 0.005) + rng.normal(0, 0.004, 224)) * (1 + rng.normal(0, 0.01, mixed.shape))
    )
    return mixed * errors


@pytest.fixture(scope="module")
def reference() -> Reference:
    return fit_reference([acquire(seed) for seed in range(1000, 1012)], WAVELENGTHS)


def named(reference: Reference, acquisition: np.ndarray) -> set[str]:
    return {finding.name for finding in examine(reference, acquisition)}


def test_undrifted_acquisitions_give_few_alarms(reference: Reference) -> None:
    assert np.mean([bool(named(reference, acquire(seed))) for seed in range(100)]) <= 0.05


DRIFTS = {"shift": {"shift": 3.0}, "gain": {"gain": 0.05}, "new": {"new": 0.06}}


@pytest.mark.parametrize("name", DRIFTS)
def test_each_drift_is_named_for_what_it_is(name: str, reference: Reference) -> None:
    found = [named(reference, acquire(seed, **DRIFTS[name])) for seed in range(20)]
    assert all(name in each for each in found)
    assert np.mean([each == {name} for each in found]) >= 0.9


def test_how_much_has_drifted_is_found(reference: Reference) -> None:
    found = measure(reference, acquire(3, gain=0.05, shift=-3.0))
    assert np.expm1(found.gain) == pytest.approx(0.05, abs=0.02)
    # Where lambda is 3 nm less than it is taken for, spectra seem moved the other way.
    assert abs(found.shift) == pytest.approx(3, abs=0.5)
    assert measure(reference, acquire(4, new=0.2)).new == pytest.approx(0.2, abs=0.07)


STATED = Measured(gain=0.02, shift=0.5, new=0.015)


@pytest.mark.parametrize("dates", [1, 3])
def test_a_few_dates_tell_drift_where_it_is_stated_how_much_they_differ_anyway(dates: int) -> None:
    known = fit_reference([acquire(seed) for seed in range(2000, 2000 + dates)], WAVELENGTHS, STATED)
    assert np.mean([bool(named(known, acquire(seed))) for seed in range(20)]) <= 0.05
    for name, drift in (DRIFTS | {"gain": {"gain": 0.08}, "new": {"new": 0.12}}).items():
        assert all(name in named(known, acquire(seed, **drift)) for seed in range(5)), name
    assert len(examine(known, acquire(1, gain=0.08, shift=3.0), quantities=("gain",))) == 1


def season(seed: int, bands: np.ndarray, shift: float = 0.0) -> np.ndarray:
    """Another date of the same ground: calibration errs by 2 % a band, the light is redder, some rock has weathered."""
    rng = np.random.default_rng([seed, 11])
    shares = SHARES.copy()
    weathered = rng.random(CELLS) < 0.3
    shares[weathered] = 0.9 * shares[weathered] + 0.1 * np.eye(len(ROCKS))[3]
    seen = shares @ np.exp([spectrum(rock, bands + shift) for rock in ROCKS])
    light = rng.normal(0, 0.03) * (bands - bands.mean()) / np.ptp(bands) + rng.normal(0, 0.02, len(bands))
    return np.asarray(seen * np.exp(light) * (1 + rng.normal(0, 0.005, seen.shape)))


SENTINEL, AVIRIS = (
    np.unique([1000 * band.centre_um for band in sensor_bands(name)]) for name in ("sentinel2_l2a", "aviris")
)


#: Between bands far apart a spectrum is not straight: how large a shift is, twelve tell roughly.
@pytest.mark.parametrize(("bands", "within"), [(SENTINEL, 0.5), (AVIRIS, 0.15)], ids=["12 bands", "224 that overlap"])
def test_season_light_and_calibration_are_no_shift(bands: np.ndarray, within: float) -> None:
    for seed in range(5):
        known = fit_reference([season(seed, bands)], bands, STATED)
        assert not examine(known, season(100 + seed, bands))
        found = examine(known, season(100 + seed, bands, shift=4.0))
        assert "shift" in {each.name for each in found}
        assert measure(known, season(100 + seed, bands, shift=4.0)).shift == pytest.approx(4, rel=within)


def test_bands_that_see_no_light_are_left_out() -> None:
    dead = (AVIRIS > 1350) & (AVIRIS < 1420)
    rng = np.random.default_rng(0)
    known, now = (np.where(dead, np.abs(rng.normal(0, 1e-3, (CELLS, 1))), season(seed, AVIRIS)) for seed in (1, 2))
    np.testing.assert_array_equal(clear_bands([known], now), ~dead)


def test_what_cannot_be_compared_is_refused(reference: Reference) -> None:
    with pytest.raises(OutcropError, match="5 acquisitions"):
        fit_reference([acquire(seed) for seed in range(5)], WAVELENGTHS)
    with pytest.raises(OutcropError, match="differ in their cells"):
        fit_reference([acquire(seed)[: 200 + seed] for seed in range(8)], WAVELENGTHS)
    with pytest.raises(OutcropError, match="not of the reference's cells"):
        measure(reference, acquire(1)[:, :100])
