"""Does monitoring raise alarms where it should, and only there? Change between maps, and drift of spectra."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from benchmarks.realisations import BLOCK, NOISE, SENSORS, SIZE
from outcrop.field.change import detect_change
from outcrop.field.drift import Measured, Reference, examine, fit_reference
from outcrop.survey.sensors import sensor_bands
from outcrop.survey.simulation.landscapes import Landscape
from outcrop.survey.simulation.libraries import load_library
from outcrop.survey.simulation.places import load_places
from outcrop.survey.simulation.units import UNITS

Result = dict[str, Any]
Array = NDArray[np.float64]
#: A place with every rock, what carbonates there, and what it becomes; shares of it that do.
ROCKY = "oman"
FEEDSTOCK = ("basalt", "olivine", "pyroxene", "serpentine", "wollastonite")
PRODUCTS = ("calcite", "magnesite")
SHARES = (0.0, 0.02, 0.05, 0.1, 0.2)
#: The place whose spectra are watched, and a rock that is not there.
WATCHED, STRANGER = "illinois", "serpentine"
#: Bands of a spectrometer (nm), cells that are watched, acquisitions that are accepted, and undrifted ones.
WAVELENGTHS, CELLS, ACCEPTED, UNDRIFTED = np.linspace(400, 2500, 224), 400, 12, 100
#: Standard deviations by which undrifted acquisitions differ: of gain and band (shares), wavelength (nm), and noise.
GAIN, BAND, SHIFT, GRAIN = 0.005, 0.004, 0.1, 0.01
#: How often each drift is tried.
TRIES = 50


def realise_change(seed: int) -> Result:
    """Whether a change is seen on one ground, by the share of the feedstock that changed."""
    landscape = Landscape(load_places()[ROCKY], SIZE, 20_000 + seed, load_library(None), 0.0)
    bands = np.array(SENSORS["12 bands"], dtype=np.float32)
    labels = landscape.ground.cover(0, 0, SIZE, SIZE).labels.ravel().astype(np.int64)
    spectra = landscape.reflectance(0, 0, SIZE, SIZE, bands).reshape(len(bands), -1).T
    rng = np.random.default_rng([seed, 5])
    train = rng.permutation(SIZE * SIZE)[: SIZE * SIZE // 8]
    train = train[np.bincount(labels[train], minlength=len(UNITS))[labels[train]] > 2]
    classifier = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.1)
    classifier.fit(_noisy(spectra, rng)[train], labels[train])
    feedstock, products = ({UNITS.index(name) for name in names} for names in (FEEDSTOCK, PRODUCTS))
    rock, made = (np.flatnonzero(np.isin(labels, list(each))) for each in (feedstock, products))
    alarms = {}
    for share in SHARES:
        after = spectra.copy()
        changed = rng.permutation(rock)[: round(share * len(rock))]
        after[changed] = spectra[rng.choice(made, len(changed))]
        first, second = (
            classifier.predict(_noisy(each, rng)).astype(np.uint8).reshape(SIZE, SIZE) for each in (spectra, after)
        )
        found = detect_change(first, second, feedstock, products, side=BLOCK, seed=seed)
        alarms[f"{share:g}"] = found.alarm
    return {"seed": seed, "alarms": alarms}


def _noisy(spectra: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    return (spectra + rng.normal(0, NOISE, spectra.shape)).astype(np.float32)


def measure_drift(accepted: int = ACCEPTED, stated: Measured | None = None) -> Result:
    """How often drift is called by its name, and how often something is called that is not there.

    Parameters
    ----------
    accepted : earlier acquisitions; of few, ``stated`` says how much they differ anyway
    """
    library = load_library(None)
    landscape = Landscape(load_places()[WATCHED], SIZE, 30_000, library, 0.0)
    rng = np.random.default_rng(6)
    cells = rng.permutation(SIZE * SIZE)[:CELLS]
    true, shifted = (_spectra(landscape, WAVELENGTHS + shift)[cells] for shift in (0.0, 3.0))
    elsewhere = Landscape(load_places()[ROCKY], SIZE, 30_001, library, 0.0)
    strange = elsewhere.ground.cover(0, 0, SIZE, SIZE).labels.ravel() == UNITS.index(STRANGER)
    stranger = _spectra(elsewhere, WAVELENGTHS)[strange].mean(axis=0)

    def refer() -> Reference:
        return fit_reference([_acquire(true, rng) for _ in range(accepted)], WAVELENGTHS, stated)

    def rate(make: Callable[[], Array], tries: int) -> dict[str, float]:
        named = []
        for _ in range(tries):
            # The accepted acquisitions may happen to lie close together: they are drawn anew for every try.
            found = examine(refer(), _acquire(make(), rng))
            named.append(frozenset(each.name for each in found))
        words = ("gain", "shift", "new")
        return {word: float(np.mean([word in each for each in named])) for word in words} | {
            "any": float(np.mean([bool(each) for each in named]))
        }

    def with_stranger() -> Array:
        seen = true.copy()
        there = rng.random(CELLS) < 0.05
        seen[there] = 0.4 * seen[there] + 0.6 * stranger
        return seen

    return {
        "none": rate(lambda: true, UNDRIFTED),
        "shift": rate(lambda: shifted, TRIES),
        "gain": rate(lambda: 1.05 * true, TRIES),
        "new": rate(with_stranger, TRIES),
    }


#: Sensors of which a shift is told, and how two dates differ beside it: years, standard deviations of ln R by band and,
#: for the light's colour, from one end of the spectrum to the other; the shift that is to be named (nm).
SEASONED, YEARS, CALIBRATION, COLOUR, MOVED = ("sentinel2_l2a", "aviris"), 1.0, 0.02, 0.05, 3.0


def measure_seasons(stated: Measured) -> Result:
    """How often two dates of one ground, carbonated and in another light, seem to have a shift; by sensor."""
    library, found = load_library(None), {}
    first, later = (Landscape(load_places()[WATCHED], SIZE, 30_000, library, years) for years in (0.0, YEARS))
    rng = np.random.default_rng(7)
    cells = rng.permutation(SIZE * SIZE)[:CELLS]
    for sensor in SEASONED:
        bands = np.unique([1000 * band.centre_um for band in sensor_bands(sensor) if band.centre_um])
        before, after, moved = (
            _spectra(ground, bands + shift)[cells] for ground, shift in ((first, 0.0), (later, 0.0), (later, MOVED))
        )

        def named(spectra: Array, before: Array = before, bands: Array = bands) -> list[frozenset[str]]:
            references = (fit_reference([_seen(before, bands, rng)], bands, stated) for _ in range(TRIES))
            return [frozenset(each.name for each in examine(one, _seen(spectra, bands, rng))) for one in references]

        undrifted, drifted = named(after), named(moved)
        found[sensor] = {
            "bands": len(bands),
            "alarm": float(np.mean([bool(each) for each in undrifted])),
            "false": float(np.mean(["shift" in each for each in undrifted])),
            "named": float(np.mean(["shift" in each for each in drifted])),
        }
    return found


def _seen(spectra: Array, bands: Array, rng: np.random.Generator) -> Array:
    """A date with its own calibration and light."""
    light = rng.normal(0, COLOUR) * (bands - bands.mean()) / np.ptp(bands) + rng.normal(0, CALIBRATION, len(bands))
    return np.asarray(spectra * np.exp(light) * (1 + rng.normal(0, GRAIN, spectra.shape)))


def _spectra(landscape: Landscape, wavelengths_nm: Array) -> Array:
    """Reflectance (cells, bands) of all cells."""
    seen = landscape.reflectance(0, 0, SIZE, SIZE, (wavelengths_nm / 1000).astype(np.float32))
    return np.asarray(seen.reshape(len(wavelengths_nm), -1).T, dtype=np.float64)


def _acquire(spectra: Array, rng: np.random.Generator) -> Array:
    """An acquisition, with the errors that undrifted ones have too."""
    moved = spectra + rng.normal(0, SHIFT) * np.gradient(spectra, WAVELENGTHS, axis=1)
    level = np.exp(rng.normal(0, GAIN) + rng.normal(0, BAND, spectra.shape[1]))
    return np.asarray(moved * level * (1 + rng.normal(0, GRAIN, spectra.shape)))


def alarm_curve(results: Sequence[Result]) -> dict[str, float]:
    """Share of grounds with an alarm, by the share of the feedstock that changed."""
    return {f"{share:g}": float(np.mean([each["alarms"][f"{share:g}"] for each in results])) for share in SHARES}
