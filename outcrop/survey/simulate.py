"""Simulated sites: dense truth under every sensor, for development, tests and demonstrations.

What it is not: physical. Mixing is linear, light is one direction and one tint, and there is no atmosphere.
"""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from scipy import ndimage

from outcrop.errors import SurveyError
from outcrop.params import Params
from outcrop.survey.catalogues import write_site
from outcrop.survey.declarations import declare
from outcrop.survey.grids import Grid, Nesting
from outcrop.survey.ingest import draft_site, split_shares
from outcrop.survey.landscapes import CELL, PLACES, World, make_world
from outcrop.survey.minerals import ANCHORS, MINERALS, reflectance
from outcrop.survey.rasters import class_raster, pieces, write_cog
from outcrop.survey.sites import NO_LABEL, Raster, Scene, Site, read_site
from outcrop.survey.splits import write_splits
from outcrop.survey.staging import staged
from outcrop.survey.surveys import MeasuredEntry, Survey

#: How each modality's pixels lie on base cells.
NESTINGS = {
    "rgb": Nesting(fine=4),
    "hyperspectral": Nesting(),
    "thermal": Nesting(coarse=2),
    "gamma": Nesting(coarse=4),
    "elevation": Nesting(),
}
DTYPES = {"rgb": "uint8", "hyperspectral": "uint16"}
#: No campaign took place: the date is the same whenever a site is built.
ACQUIRED = (date(2000, 1, 1), date(2000, 1, 1))
Array = NDArray[Any]


def simulate_site(name: str, size: int, seed: int, destination: Path, survey: Survey, params: Params) -> Site:
    """Write ``destination/name``, a square site of ``size`` x ``size`` base cells; the same seed gives the same bytes.

    Raises
    ------
    SurveyError : the survey is not one that can be simulated.
    """
    _check(survey, name)
    place = PLACES[name]
    top = place.north if place.crs else size
    cell = CELL if place.crs else 1.0
    grid = Grid(size, size, Affine(cell, 0, place.east, 0, -cell, top), place.crs)
    world = make_world(size, place, (seed, crc32(name.encode())))
    with staged(destination, name) as folder:
        draft = draft_site(folder, name, [_write_scene(world, grid, folder / "scene", survey)], survey, params)
        write_splits(draft, params, split_shares(survey, name, params))
        write_site(draft, survey)
        read_site(folder)
    return read_site(destination / name)


def _check(survey: Survey, name: str) -> None:
    if name not in survey.sites or name not in PLACES:
        known = ", ".join(sorted(set(PLACES) & set(survey.sites))) or "none"
        raise SurveyError(
            f"the site `{name}` of the survey `{survey.survey}` cannot be simulated",
            remedy=f"choose one of these: {known}",
        )
    if [c.name for c in survey.classes] != [m.name for m in MINERALS] or set(survey.modalities) != set(NESTINGS):
        raise SurveyError(
            f"the survey `{survey.survey}` has not the classes and modalities of a simulated one",
            remedy="compare it with data/surveys/simulated.yaml",
        )


def _write_scene(world: World, grid: Grid, folder: Path, survey: Survey) -> Scene:
    folder.mkdir()
    labels = class_raster("labels", folder / "labels.tif", grid, NO_LABEL)
    truth = world.shares.argmax(axis=0).astype(np.uint8)[None]
    write_cog(labels, pieces(grid, _cut(truth)), classes=True)
    rasters = {modality: _layout(modality, survey, folder, grid) for modality in survey.modalities}
    for modality, raster in rasters.items():
        write_cog(raster, pieces(raster.grid, SENSORS[modality](world, raster)))
    return Scene("scene", grid, rasters, labels.path, folder / "split.tif", ACQUIRED)


def _layout(modality: str, survey: Survey, folder: Path, grid: Grid) -> Raster:
    entry, nesting, bands = survey.modalities[modality], NESTINGS[modality], declare(survey, modality).bands
    assert isinstance(entry, MeasuredEntry) and bands is not None
    dtype = DTYPES.get(modality, "float32")
    path = folder / f"{modality}.tif"
    native = nesting.grid(grid)
    return Raster(modality, path, native, nesting, bands, entry.unit, dtype, entry.nodata, entry.scale, entry.offset)


Reader = Callable[[int, int, int, int], Array]


def _cut(values: Array) -> Reader:
    return lambda row, col, height, width: values[:, row : row + height, col : col + width]


def _rgb(world: World, raster: Raster) -> Reader:
    """Three digital numbers: the covers' colours in the site's light, with texture, after a camera's gamma curve."""
    colours = np.array([mineral.continuum[2::-1] for mineral in MINERALS], dtype=np.float32)
    colours *= np.linspace(*world.tint[::-1], 3, dtype=np.float32)
    rough = np.array([mineral.texture for mineral in MINERALS], dtype=np.float32)
    cells = np.concatenate([np.einsum("mb,mhw->bhw", colours, world.shares) * world.light, _mean(rough, world)])
    fine = raster.nesting.fine

    def read(row: int, col: int, height: int, width: int) -> Array:
        rows, cols = np.arange(row, row + height) // fine, np.arange(col, col + width) // fine
        here = cells[:, rows[:, None], cols]
        grain = ndimage.gaussian_filter(world.noise(1, (height, width), row, col), 0.7) * 2
        values = np.clip(here[:3] * np.exp(3 * here[3] * grain), 0, 1) ** np.float32(1 / 2.2)
        noisy = 255 * values + 2 * world.noise(2, values.shape, row, col)
        return np.asarray(np.clip(np.rint(noisy), 1, 255), dtype=np.uint8)

    return read


def _mean(property_: NDArray[np.float32], world: World) -> Array:
    return np.asarray(np.einsum("m,mhw->hw", property_, world.shares)[None])


def _hyperspectral(world: World, raster: Raster) -> Reader:
    """Reflectance of linear mixtures in the site's light, with noise of 0.4 %."""
    wavelengths = np.array([band.centre_um for band in raster.bands])
    spectra = np.stack([reflectance(mineral, wavelengths) for mineral in MINERALS]).astype(np.float32)
    spectra *= np.interp(wavelengths, [ANCHORS[0], ANCHORS[2]], world.tint).astype(np.float32)

    def read(row: int, col: int, height: int, width: int) -> Array:
        rows, cols = slice(row, row + height), slice(col, col + width)
        values = np.einsum("mb,mhw->bhw", spectra, world.shares[:, rows, cols]) * world.light[rows, cols]
        values += 0.004 * world.noise(3, values.shape, row, col)
        stored = np.rint((np.clip(values, 0, 1.2) - raster.offset) / raster.scale)
        return np.asarray(stored, dtype=raster.dtype)

    return read


def _thermal(world: World, raster: Raster) -> Reader:
    """Kelvin: warm covers, warm slopes, cooler with height."""
    warmth = np.array([mineral.warmth for mineral in MINERALS], dtype=np.float32)
    kelvin = 290 + _mean(warmth, world) + 8 * (world.light - 1) - 0.0065 * (world.elevation - 400)
    coarse = _coarsen(kelvin, raster.nesting.coarse)
    return _cut((coarse + 0.3 * world.noise(4, coarse.shape)).astype(np.float32))


def _gamma(world: World, raster: Raster) -> Reader:
    """K, Th and U: the mean of the covers, with counting noise of 10 %."""
    rates = np.array([mineral.gamma for mineral in MINERALS], dtype=np.float32)
    coarse = _coarsen(np.einsum("mb,mhw->bhw", rates, world.shares), raster.nesting.coarse)
    return _cut(np.maximum(coarse * (1 + 0.1 * world.noise(5, coarse.shape)), 0).astype(np.float32))


def _elevation(world: World, raster: Raster) -> Reader:
    return _cut(world.elevation[None] + 0.1 * world.noise(6, (1, *world.elevation.shape)))


def _coarsen(values: Array, factor: int) -> Array:
    """Mean of ``factor`` x ``factor`` cells (bands, H, W); the last ones are repeated where the sides do not divide."""
    down, right = -values.shape[1] % factor, -values.shape[2] % factor
    padded = np.pad(values, ((0, 0), (0, down), (0, right)), mode="edge")
    bands, height, width = padded.shape
    return np.asarray(padded.reshape(bands, height // factor, factor, width // factor, factor).mean(axis=(2, 4)))


SENSORS: dict[str, Callable[[World, Raster], Reader]] = {
    "rgb": _rgb,
    "hyperspectral": _hyperspectral,
    "thermal": _thermal,
    "gamma": _gamma,
    "elevation": _elevation,
}
