"""The tables against the measured spectra, and specimens drawn from them."""

import hashlib
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from conftest import PROJECT

from outcrop.survey.simulation.curves import Curves, fit_curves
from outcrop.survey.simulation.endmembers import ENDMEMBERS, MEASURED
from outcrop.survey.simulation.gaussians import misfit
from outcrop.survey.simulation.libraries import load_library
from outcrop.survey.simulation.measurements import (
    GRID,
    BandedSpecimens,
    SampledSpecimens,
    specimen_traits,
    thermal_contrasts,
    traits,
)
from outcrop.survey.simulation.specimens import Specimens
from outcrop.survey.simulation.tabled import read_table
from outcrop.survey.surveys import DATA_VARIABLE

RAW = Path(os.environ.get(DATA_VARIABLE, PROJECT.parent / "shared" / "data"))
MINERALS = ENDMEMBERS[: ENDMEMBERS.index("soil")]
WAVELENGTHS = np.arange(0.35, 2.5005, 0.002)
#: Where the continuum is laid (um), and where the deepest absorption must be.
FEATURES = {
    "olivine": (0.7, 1.75, 1.05, 0.02),
    "orthopyroxene": (0.72, 1.3, 0.915, 0.02),
    "hematite": (0.74, 1.2, 0.87, 0.03),
    "kaolinite": (2.1, 2.28, 2.205, 0.006),
    "montmorillonite": (2.12, 2.28, 2.21, 0.012),
    "serpentine": (2.2, 2.45, 2.322, 0.008),
    "calcite": (2.2, 2.45, 2.338, 0.008),
    "magnesite": (2.2, 2.45, 2.305, 0.008),
}


@cache
def draws() -> list[Specimens]:
    """Specimens of every endmember, drawn again and again."""
    return [load_library().draw(np.random.default_rng([3, seed])) for seed in range(80)]


@cache
def reflected(grid: str) -> np.ndarray:
    """(draws, endmembers, wavelengths) reflectance of the draws, where they are looked at or where traits are told."""
    return np.stack([draw.reflectance(WAVELENGTHS if grid == "seen" else GRID) for draw in draws()])


def deepest(wavelengths: np.ndarray, reflectance: np.ndarray, first: float, last: float) -> tuple[float, float]:
    """Place (um) and depth of the strongest absorption below the convex hull between two wavelengths."""
    inside = (wavelengths >= first) & (wavelengths <= last)
    points: list[tuple[float, float]] = []
    for x, y in zip(wavelengths[inside], reflectance[inside], strict=True):
        while len(points) > 1:
            (x0, y0), (x1, y1) = points[-2:]
            if (y1 - y0) * (x - x0) > (y - y0) * (x1 - x0):
                break
            points.pop()
        points.append((x, y))
    ratio = reflectance[inside] / np.interp(wavelengths[inside], *zip(*points, strict=True))
    return float(wavelengths[inside][ratio.argmin()]), float(1 - ratio.min())


@pytest.mark.parametrize("endmember", ENDMEMBERS)
def test_the_fits_are_as_good_as_asked(endmember: str) -> None:
    rows = [row for row in read_table("specimens.csv") + read_table("scores.csv") if row["endmember"] == endmember]
    reflectance = [row for row in rows if row.get("quantity", "reflectance") == "reflectance"]
    assert np.median([float(row["rmse"]) for row in reflectance]) <= 0.02
    assert np.median([float(row["angle_rad"]) for row in reflectance]) <= 0.05
    assert all(row["sample"] and row["record"] and row["licence"] for row in rows)


@pytest.mark.skipif(not (RAW / "spectra").is_dir(), reason=f"no real data: set {DATA_VARIABLE}")
@pytest.mark.parametrize("endmember", MINERALS)
def test_the_specimens_of_the_table_are_the_measured_ones(endmember: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DATA_VARIABLE, str(RAW))
    monkeypatch.syspath_prepend(str(PROJECT))
    from fits.measured import drawn, read_spectra

    measured = read_spectra("vswir", endmember)
    chosen = drawn(endmember, measured)
    spectra = [spectrum for spectrum in measured if spectrum.row["spec_id"] in chosen]
    specimens = load_library().reflecting[endmember]
    assert isinstance(specimens, BandedSpecimens)
    assert specimens.count == len(spectra)
    errors, places = [], []
    for spectrum, weights in zip(spectra, np.eye(specimens.count), strict=True):
        known = np.isfinite(spectrum.values)
        wavelengths, values = spectrum.wavelengths[known], spectrum.values[known]
        fitted = np.exp(specimens.log_reflectance(weights, wavelengths))
        errors.append(misfit(fitted, values))
        if endmember in FEATURES:
            first, last, *_ = FEATURES[endmember]
            places.append(deepest(wavelengths, fitted, first, last)[0] - deepest(wavelengths, values, first, last)[0])
    rmse, angle = np.median(errors, axis=0)
    assert rmse <= 0.006
    assert angle <= 0.015
    assert not places or np.median(np.abs(places)) <= FEATURES[endmember][3] / 2


@pytest.mark.parametrize("endmember", FEATURES)
def test_drawn_specimens_keep_the_diagnostic_feature(endmember: str) -> None:
    first, last, place, tolerance = FEATURES[endmember]
    spectra = reflected("seen")[:, ENDMEMBERS.index(endmember)]
    found = np.array([deepest(WAVELENGTHS, spectrum, first, last) for spectrum in spectra])
    assert np.median(found[:, 0]) == pytest.approx(place, abs=tolerance)
    assert np.abs(found[:, 0] - place).max() < 3 * tolerance
    assert np.median(found[:, 1]) > 0.03


def test_drawn_specimens_lie_within_what_reflects() -> None:
    for draw, reflectance in zip(draws(), reflected("seen"), strict=True):
        emissivity = draw.emissivity(np.arange(7.5, 14, 0.1))
        assert reflectance.shape == (len(ENDMEMBERS), len(WAVELENGTHS))
        assert reflectance.dtype == emissivity.dtype == np.float32
        assert reflectance.min() >= 0.005
        assert reflectance.max() <= 0.98
        assert emissivity.min() > 0.1
        assert emissivity.max() < 1


@pytest.mark.parametrize("endmember", [name for name in ENDMEMBERS if name not in ("wollastonite", "magnesite")])
def test_draws_vary_as_specimens_do(endmember: str) -> None:
    library = load_library()
    drawn = drawn_traits(endmember)
    own = specimen_traits(library.reflecting[endmember])
    pooled = np.sqrt(np.diag(library.spread))
    spread = drawn.std(axis=0, ddof=1)
    assert (spread < 2.0 * np.maximum(own.std(axis=0, ddof=1), pooled)).all()
    assert (spread > 0.4 * np.minimum(own.std(axis=0, ddof=1), pooled)).all()
    assert (np.abs(drawn.mean(axis=0) - own.mean(axis=0)) < np.maximum(own.std(axis=0, ddof=1), pooled)).all()


def drawn_traits(endmember: str) -> np.ndarray:
    """(draws, traits) of an endmember."""
    spectra = reflected("traits")[:, ENDMEMBERS.index(endmember)].astype(float)
    return np.array([traits(SampledSpecimens(GRID, spectrum[None]), np.ones(1)) for spectrum in spectra])


def test_what_was_measured_twice_varies_by_what_the_others_teach() -> None:
    library = load_library()
    levels = drawn_traits("wollastonite")[:, 0]
    own = specimen_traits(library.reflecting["wollastonite"])
    assert library.reflecting["wollastonite"].count == 2
    assert np.std(levels) > 1.2 * own[:, 0].std(ddof=1)


def test_the_emissivity_of_quartz_shows_its_reststrahlen_and_plants_are_nearly_black() -> None:
    emissivity = np.mean([draw.emissivity(np.array([8.3, 9.1, 11.5])) for draw in draws()], axis=0)
    quartz, green = emissivity[ENDMEMBERS.index("quartz")], emissivity[ENDMEMBERS.index("green_vegetation")]
    assert quartz[:2].max() < 0.75 < 0.9 < quartz[2]
    assert green.min() > 0.95
    assert len(thermal_contrasts(load_library().emitting["quartz"])) == 4


def test_one_seed_gives_the_same_bytes_in_two_processes() -> None:
    code = (
        "import hashlib, numpy as np; from outcrop.survey.simulation.libraries import load_library;"
        "draw = load_library().draw(np.random.default_rng([1, 2])); w = np.linspace(0.4, 2.5, 224);"
        "print(hashlib.sha256(draw.reflectance(w).tobytes() + draw.emissivity(w + 8).tobytes()).hexdigest())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PROJECT)
    draw, wavelengths = load_library().draw(np.random.default_rng([1, 2])), np.linspace(0.4, 2.5, 224)
    here = draw.reflectance(wavelengths).tobytes() + draw.emissivity(wavelengths + 8).tobytes()
    assert done.stdout.strip() == hashlib.sha256(here).hexdigest()


def test_what_is_said_of_endmembers_is_complete() -> None:
    assert tuple(MEASURED) == ENDMEMBERS
    assert set(load_library().reflecting) == set(load_library().emitting) == set(ENDMEMBERS)


def test_curves_recover_spectra_of_few_components() -> None:
    rng = np.random.default_rng(1)
    knots, wavelengths = np.linspace(1, 2, 12), np.linspace(1, 2, 200)
    truth = Curves(knots, rng.normal(size=12), rng.normal(size=(2, 12)), rng.normal(size=(9, 2)))
    spectra = np.array([truth.at(weights, wavelengths) for weights in np.eye(9)])
    spectra[4, 40:50] = np.nan
    found = fit_curves(wavelengths, spectra, knots, 4)
    for weights in np.eye(9):
        np.testing.assert_allclose(found.at(weights, wavelengths), truth.at(weights, wavelengths), atol=0.02)
