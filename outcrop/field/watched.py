"""A site that is looked at again: has its sensor drifted, or its ground, and is either new to the model?

Radiometry is compared with earlier scenes of the same cells (`outcrop.field.drift`), features with what the model was
trained on: the share of the map that is unfamiliar to it. All tests of one scene share the chance of a false alarm.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.stats import ttest_1samp

from outcrop.field.drift import QUANTITIES, Measured, Quantity, examine, fit_reference
from outcrop.survey.blocks import Tile, read_tile
from outcrop.survey.sites import Raster, Scene

Array = NDArray[np.float64]
Kind = Literal["none", "sensor", "geology", "sensor and geology", "unclear"]
#: Cells along one side of the squares in which cells are watched: fewer reads than cell by cell.
SQUARE = 4
#: Cells without which nothing is told, and bands without which every spectrum is a mixture of any others.
FEWEST_CELLS, MANY_BANDS = 50, 12
#: Bands without wavelengths tell a gain from so many on: the brightness of a camera.
FEWEST_BANDS = 3
SENSOR, GROUND = ("gain", "shift"), ("new",)
UNFAMILIAR = "unfamiliar"


@dataclass(frozen=True)
class Sign:
    """One thing that has changed: in which modality (or the map), what, in a sentence, and by how much chance."""

    where: str
    name: str
    sentence: str
    p_value: float


@dataclass(frozen=True)
class Drift:
    """What all tests of a scene say together.

    Parameters
    ----------
    compared : dates that radiometry was compared with; 0: there was none
    tests : how many shared the chance of a false alarm
    unfamiliar : share of the map that is new to the model; None where the map does not tell
    """

    signs: tuple[Sign, ...]
    compared: int
    tests: int
    unfamiliar: float | None

    @property
    def kind(self) -> Kind:
        """Sensor or geology; ``unclear`` where the model's features alone have moved."""
        sensor, ground = (any(sign.name in names for sign in self.signs) for names in (SENSOR, GROUND))
        if sensor and ground:
            return "sensor and geology"
        return "sensor" if sensor else "geology" if ground else "unclear" if self.signs else "none"

    def told(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "kind": self.kind,
            "signs": [vars(sign) for sign in self.signs],
            "compared": self.compared,
            "tests": self.tests,
            "unfamiliar": self.unfamiliar,
        }


@dataclass(frozen=True)
class Usual:
    """What unchanged ground may do: see `outcrop.params.Monitor`."""

    stated: Measured
    unfamiliar: float
    level: float


def examine_scene(
    scene: Scene,
    accepted: Sequence[Scene],
    inputs: Collection[str],
    strange: NDArray[np.uint8] | None,
    usual: Usual,
    *,
    side: int,
    cells: int,
    seed: int,
) -> Drift:
    """Test a scene for drift.

    Parameters
    ----------
    accepted : earlier scenes of the same grid whose radiometry can be trusted
    inputs : modalities that the model sees; others are looked at where they have wavelengths
    strange : (H, W) 1 where the map is unfamiliar to the model, 0 where it is not, 255 where it is empty
    side : cells along one side of a block, beyond which cells count as independent
    cells : that are watched

    Raises
    ------
    DataError : a raster cannot be read.
    """
    earlier = [each for each in accepted if each.grid == scene.grid]
    watched = {name: told for name, raster in scene.rasters.items() if (told := quantities_of(raster, name in inputs))}
    watched = {name: told for name, told in watched.items() if all(name in each.rasters for each in earlier)}
    novelty = _novelty(strange, side, usual.unfamiliar) if strange is not None else None
    tests = bool(earlier) * sum(len(told) for told in watched.values()) + (novelty is not None)
    signs: list[Sign] = []
    for name, told in watched.items() if earlier else ():
        signs += _moved(name, told, [*earlier, scene], usual, tests, cells, seed)
    if novelty is not None and novelty[1] <= usual.level / tests:
        sentence = f"{novelty[0]:.1%} of the ground is unlike what the model was trained on"
        signs.append(Sign("map", UNFAMILIAR, sentence, novelty[1]))
    return Drift(tuple(signs), len(earlier), tests, novelty[0] if novelty else None)


def quantities_of(raster: Raster, is_input: bool) -> tuple[Quantity, ...]:
    """What can be told of a modality's drift; nothing of one that is no picture in many bands."""
    if raster.derived_from or len(raster.bands) < FEWEST_BANDS:
        return ()
    if all(band.centre_um for band in raster.bands):
        return QUANTITIES if len(raster.bands) >= MANY_BANDS else ("gain", "shift")
    return ("gain",) if is_input else ()


def _moved(
    name: str, told: Sequence[Quantity], scenes: Sequence[Scene], usual: Usual, tests: int, cells: int, seed: int
) -> list[Sign]:
    """Signs in one modality of the last scene."""
    *known, now = watch([scene.rasters[name] for scene in scenes], cells, seed)
    if len(now) < FEWEST_CELLS:
        return []
    centres, bands = _order(scenes[-1].rasters[name])
    reference = fit_reference([each[:, bands] for each in known], centres, usual.stated)
    found = examine(reference, now[:, bands], usual.level * len(told) / tests, told)
    return [Sign(name, each.name, each.sentence, each.p_value) for each in found]


def _order(raster: Raster) -> tuple[Array, NDArray[np.intp]]:
    """Wavelengths (nm, ascending, each once) and their bands; without wavelengths, the bands by number."""
    if not all(band.centre_um for band in raster.bands):
        count = len(raster.bands)
        return np.arange(count, dtype=np.float64), np.arange(count)
    return np.unique([1000 * (band.centre_um or 0.0) for band in raster.bands], return_index=True)


def watch(rasters: Sequence[Raster], cells: int, seed: int) -> list[Array]:
    """The same cells of several dates: of each (N, bands) means, cells without data on any date left out."""
    first = rasters[0]
    height, width = (
        side * first.nesting.coarse // first.nesting.fine for side in (first.grid.height, first.grid.width)
    )
    down, across = min(SQUARE, height), min(SQUARE, width)
    rng = np.random.default_rng([seed, height, width])
    count = -(-cells // SQUARE**2)
    corners = zip(
        rng.integers(height - down + 1, size=count), rng.integers(width - across + 1, size=count), strict=True
    )
    tiles = [Tile(int(row), int(col), down, across) for row, col in corners]
    seen = [np.concatenate([_means(raster, tile) for tile in tiles]) for raster in rasters]
    whole = np.all([np.isfinite(each).all(axis=1) for each in seen], axis=0)
    return [each[whole] for each in seen]


def _means(raster: Raster, tile: Tile) -> Array:
    """(cells, bands) means over each cell of a tile."""
    window, pixels = read_tile(raster, tile, 1)
    views = sliding_window_view(pixels, (window.side, window.side), axis=(1, 2))
    own = views[:, window.row_starts][:, :, window.col_starts].mean(axis=(3, 4), dtype=np.float64)
    return np.asarray(own.reshape(len(pixels), -1).T)


def _novelty(strange: NDArray[np.uint8], side: int, accepted: float) -> tuple[float, float] | None:
    """The unfamiliar share, and how often chance lets blocks exceed the accepted one so far; None of too few blocks."""
    rows, cols = (np.arange(length) // side for length in strange.shape)
    block = (rows[:, None] * (int(cols[-1]) + 1) + cols)[strange != 255]
    cells = np.bincount(block)
    shares = np.bincount(block, weights=strange[strange != 255])[cells > 0] / cells[cells > 0]
    if len(shares) < 2:
        return None
    p_value = float(ttest_1samp(shares, accepted, alternative="greater").pvalue)
    return float(strange[strange != 255].mean()), p_value if np.isfinite(p_value) else 1.0
