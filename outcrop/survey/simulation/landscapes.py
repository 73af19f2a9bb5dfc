"""A simulated site as light finds it: the ground's minerals, mixed to spectra, under one sun."""

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outcrop.survey.simulation import mixing
from outcrop.survey.simulation.cells import Cover
from outcrop.survey.simulation.endmembers import ENDMEMBERS, volume_weights
from outcrop.survey.simulation.fields import Window, smooth
from outcrop.survey.simulation.ground import Ground
from outcrop.survey.simulation.light import Light
from outcrop.survey.simulation.places import Place
from outcrop.survey.simulation.specimens import Library, Specimens
from outcrop.survey.simulation.surfaces import FINE, Floats

#: Plants lie beside minerals, not among their grains: they mix by area.
PLANTS = np.array([name.endswith("vegetation") for name in ENDMEMBERS])
GREEN = ENDMEMBERS.index("green_vegetation")
#: Cells over which a site's minerals change from one specimen to the other.
DRIFT = 128
#: What sets the random numbers of specimens apart from those of the ground.
SPECIMENS = 101
Array = NDArray[Any]


class Landscape:
    """The ground of one site at one date, as `outcrop.survey.simulation.surfaces.Surface` asks for it.

    Every mineral of a site is one of two specimens, or between them where one gives way to the other.

    Parameters
    ----------
    place : what sets the site apart
    size : base cells along one side
    seed : of the ground and its specimens
    library : where specimens are drawn from
    years : since the first date
    """

    def __init__(self, place: Place, size: int, seed: int, library: Library, years: float = 0.0) -> None:
        self.place, self.size = place, size
        self.ground = Ground(place, size, seed, years)
        self.cell_m, self.elevation = self.ground.cell_m, self.ground.elevation
        entropy = (seed, place.specimens, SPECIMENS)
        rng = np.random.default_rng(entropy)
        self.specimens = (library.draw(rng), library.draw(rng))
        self._drift_seed = (*entropy, 1)
        self._spectra: dict[tuple[str, bytes], Floats] = {}

    @cached_property
    def light(self) -> Light:
        """The sun of the place on its relief."""
        return Light(self.elevation, self.cell_m, self.place.sun.azimuth, self.place.sun.elevation)

    def reflectance(self, row: int, col: int, height: int, width: int, wavelengths_um: Array) -> Floats:
        """Reflectance (wavelengths, height, width) of base cells."""
        cover = self.ground.cover(row, col, height, width)
        drift = self._drift(Window(row, col, height, width))
        albedo, plants = self._albedo(wavelengths_um), self._plants(wavelengths_um)
        seen = np.zeros((albedo.shape[1], height * width), dtype=np.float32)
        for fractions, share in zip(cover.fractions, (cover.share, 1 - cover.share), strict=True):
            minerals = self._minerals(fractions, drift, albedo)
            bare = self._weathered(minerals, cover.coating, cover.grain, wavelengths_um)
            seen += share.ravel() * _between_plants(bare, fractions, drift, plants)
        green = _of_two(plants, GREEN, drift)
        seen += cover.vegetation.ravel() * (green - seen)
        return seen.reshape(-1, height, width)

    def colours(self, row: int, col: int, height: int, width: int, wavelengths_um: Array) -> Floats:
        """Reflectance (wavelengths, height, width) of fine pixels, with their texture."""
        fine = self.ground.fine(row, col, height, width)
        top, left = row // FINE, col // FINE
        rows, cols = (np.arange(first, first + count) // FINE for first, count in ((row, height), (col, width)))
        cells = (top, left, int(rows[-1]) - top + 1, int(cols[-1]) - left + 1)
        cover, drift = self.ground.cover(*cells), self._drift(Window(*cells))
        down, right = np.ix_(rows - top, cols - left)
        albedo, plants = self._albedo(wavelengths_um), self._plants(wavelengths_um)
        second = fine.unit != cover.units[0, down, right]
        count = albedo.shape[1]
        mixed = [self._minerals(fractions, drift, albedo).reshape(count, *cells[2:]) for fractions in cover.fractions]
        minerals = np.where(second, mixed[1][:, down, right], mixed[0][:, down, right]).reshape(count, -1)
        bare = self._weathered(minerals, fine.coating, fine.grain, wavelengths_um)
        fractions = np.where(second, cover.fractions[1][:, down, right], cover.fractions[0][:, down, right])
        drifted = drift.reshape(cells[2:])[down, right].ravel()
        seen = _between_plants(bare, fractions, drifted, plants)
        seen += fine.vegetation.ravel() * (_of_two(plants, GREEN, drifted) - seen)
        seen *= np.exp(fine.texture.ravel())
        return np.minimum(seen, 1, out=seen).reshape(count, height, width)

    def emissivity(self, row: int, col: int, height: int, width: int, wavelengths_um: Array) -> Floats:
        """Thermal emissivity (wavelengths, height, width) of base cells: grains above 60 um mix by area."""
        cover = self.ground.cover(row, col, height, width)
        drift = self._drift(Window(row, col, height, width))
        spectra = self._pair("emissivity", wavelengths_um)
        mean = _mean_fractions(cover).reshape(len(ENDMEMBERS), -1)
        seen = _areal(mean, drift, spectra)
        seen += cover.vegetation.ravel() * (_of_two(spectra, GREEN, drift) - seen)
        return seen.reshape(-1, height, width)

    def thermal_inertia(self, row: int, col: int, height: int, width: int) -> Floats:
        """Thermal inertia (height, width) of base cells, in J m-2 K-1 s-1/2."""
        return self.ground.cover(row, col, height, width).thermal_inertia

    def radioelements(self, row: int, col: int, height: int, width: int) -> Floats:
        """Potassium in %, thorium and uranium in ppm (3, height, width) of base cells."""
        return self.ground.cover(row, col, height, width).radioelements

    def vegetation(self, row: int, col: int, height: int, width: int) -> Floats:
        """Share (height, width) of base cells that green plants cover."""
        return np.asarray(self.fractions((row, col, height, width))[GREEN])

    def fractions(self, window: tuple[int, int, int, int]) -> Floats:
        """True shares (E, height, width) of the endmembers in base cells, green plants included."""
        cover = self.ground.cover(*window)
        mean = _mean_fractions(cover) * (1 - cover.vegetation)
        mean[GREEN] += cover.vegetation
        return mean

    def _drift(self, window: Window) -> Floats:
        """Share (cells,) of the second specimens."""
        return np.asarray(1 / (1 + np.exp(-2 * smooth(self._drift_seed, window, DRIFT))), dtype=np.float32).ravel()

    def _minerals(self, fractions: Floats, drift: Floats, albedo: Floats) -> Floats:
        """Albedo (B, N) of the intimate mixture of all that is not a plant; ``albedo`` (2 E, B) of both specimens."""
        minerals = fractions.reshape(len(ENDMEMBERS), -1).copy()
        minerals[PLANTS] = 0
        # Where there are plants alone any mineral will do: it has no share in what is seen.
        minerals[ENDMEMBERS.index("soil")] += minerals.sum(axis=0) <= 0
        weights = volume_weights()
        both = np.concatenate([minerals * (1 - drift), minerals * drift])
        return mixing.intimate(both, albedo, np.concatenate([weights, weights]))

    def _weathered(self, albedo: Floats, coating: Floats, grain: Floats, wavelengths_um: Array) -> Floats:
        """Reflectance (B, N) of minerals (B, N) at their grain size, under the site's coating."""
        coat = self._coat(wavelengths_um)[:, None]
        sized = mixing.grain(albedo, grain.ravel())
        return mixing.reflectance(sized + coating.ravel() * (coat - sized))

    def _coat(self, wavelengths_um: Array) -> Floats:
        """Albedo (B,) of the coating."""
        shares = np.array([self.place.coating.endmembers.get(name, 0.0) for name in ENDMEMBERS], dtype=np.float32)
        albedo = self._albedo(wavelengths_um)[: len(ENDMEMBERS)]
        return mixing.intimate(shares[:, None], albedo, volume_weights())[:, 0]

    def _albedo(self, wavelengths_um: Array) -> Floats:
        """Single-scattering albedo (2 E, B) of the first, then of the second specimens."""
        return self._pair("albedo", wavelengths_um)

    def _plants(self, wavelengths_um: Array) -> Floats:
        """Reflectance (2 E, B) of both specimens."""
        return self._pair("reflectance", wavelengths_um)

    def _pair(self, kind: str, wavelengths_um: Array) -> Floats:
        key = (kind, np.asarray(wavelengths_um, dtype=np.float64).tobytes())
        if key not in self._spectra:
            self._spectra[key] = np.concatenate([_spectra(each, kind, wavelengths_um) for each in self.specimens])
        return self._spectra[key]


def _spectra(specimens: Specimens, kind: str, wavelengths_um: Array) -> Floats:
    """Spectra (E, B) of one draw."""
    if kind == "emissivity":
        return np.asarray(specimens.emissivity(wavelengths_um), dtype=np.float32)
    reflectance = np.asarray(specimens.reflectance(wavelengths_um), dtype=np.float32)
    return mixing.single_scattering(reflectance) if kind == "albedo" else reflectance


def _of_two(spectra: Floats, endmember: int, drift: Floats) -> Floats:
    """Spectrum (B, N) of one endmember between its two specimens."""
    first, second = spectra[endmember, :, None], spectra[endmember + len(ENDMEMBERS), :, None]
    return np.asarray(first + drift * (second - first))


def _areal(fractions: Floats, drift: Floats, spectra: Floats) -> Floats:
    """Mean (B, N) of the endmembers' spectra by their fractions (E, N)."""
    total = np.zeros((spectra.shape[1], fractions.shape[1]), dtype=np.float32)
    for endmember, share in enumerate(fractions):
        if share.any():
            total += share * _of_two(spectra, endmember, drift)
    return total


def _between_plants(bare: Floats, fractions: Floats, drift: Floats, spectra: Floats) -> Floats:
    """Reflectance (B, N) of the bare ground and, by their area, of the plants among ``fractions``."""
    shares = np.where(PLANTS[:, None], fractions.reshape(len(ENDMEMBERS), -1), 0)
    return np.asarray((1 - shares.sum(axis=0)) * bare + _areal(shares.astype(np.float32), drift, spectra))


def _mean_fractions(cover: Cover) -> Floats:
    """Fractions (E, H, W) of whole cells."""
    return np.asarray(cover.share * cover.fractions[0] + (1 - cover.share) * cover.fractions[1])
