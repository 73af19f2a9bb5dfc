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

from outcrop.field.drift import QUANTITIES, Measured, Quantity, clear_bands, examine, fit_reference
from outcrop.survey.blocks import Tile, read_tile
from outcrop.survey.sites import Raster, Scene

Array = NDArray[np.float64]
Kind = Literal["none", "sensor", "geology", "sensor and geology", "unclear"]
#: Cells along one side of the squares in which cells are watched: fewer reads than cell by cell.
SQUARE = 4
#: Cells without which nothing is told, and bands without which every spectrum is a mixture of any others: one whose
#: wavelengths have shifted is, too.
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
    untold : what of a sensor cannot be told, in sentences
    """

    signs: tuple[Sign, ...]
    compared: int
    tests: int
    unfamiliar: float | None
    untold: tuple[str, ...] = ()

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
            "untold": list(self.untold),
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
    watched = [
        each
        for name, raster in scene.rasters.items()
        if earlier and quantities_of(raster, name in inputs) and all(name in each.rasters for each in earlier)
        if (each := _look([one.rasters[name] for one in (*earlier, scene)], name in inputs, cells, seed)).told
    ]
    novelty = _novelty(strange, side, usual.unfamiliar) if strange is not None else None
    tests = sum(len(each.told) for each in watched) + (novelty is not None)
    signs = [sign for each in watched for sign in _moved(each, usual, tests)]
    if novelty is not None and novelty[1] <= usual.level / tests:
        sentence = f"{novelty[0]:.1%} of the ground is unlike what the model was trained on"
        signs.append(Sign("map", UNFAMILIAR, sentence, novelty[1]))
    untold = tuple(each.untold() for each in watched if "shift" not in each.told)
    return Drift(tuple(signs), len(earlier), tests, novelty[0] if novelty else None, untold)


def quantities_of(raster: Raster, is_input: bool) -> tuple[Quantity, ...]:
    """What can be told of a modality's drift; nothing of one that is no picture in many bands."""
    if raster.derived_from or len(raster.bands) < FEWEST_BANDS:
        return ()
    if all(band.centre_um for band in raster.bands):
        return QUANTITIES if len(raster.bands) >= MANY_BANDS else ("gain",)
    return ("gain",) if is_input else ()


@dataclass(frozen=True)
class _Look:
    """The same cells of a modality on several dates, (N, B) each, the last of which is now; and what can be told."""

    modality: str
    centres: Array
    known: tuple[Array, ...]
    now: Array
    told: tuple[Quantity, ...]

    def untold(self) -> str:
        """That a shift is not told, and why."""
        count = self.now.shape[1]
        why = f"with {count} bands" if count < MANY_BANDS else "without wavelengths"
        return f"of {self.modality}, a shift of the wavelengths is not told {why}"


def _look(rasters: Sequence[Raster], is_input: bool, cells: int, seed: int) -> _Look:
    """Read a modality; of many bands, those that show nothing are left out."""
    *known, now = watch(rasters, cells, seed)
    told = quantities_of(rasters[-1], is_input) if len(now) >= FEWEST_CELLS else ()
    centres, bands = _order(rasters[-1])
    if "shift" in told:
        clear = clear_bands([each[:, bands] for each in known], now[:, bands])
        centres, bands = centres[clear], bands[clear]
        told = told if len(bands) >= MANY_BANDS else ("gain",)
    return _Look(rasters[-1].modality, centres, tuple(each[:, bands] for each in known), now[:, bands], told)


def _moved(look: _Look, usual: Usual, tests: int) -> list[Sign]:
    """Signs in one modality."""
    reference = fit_reference(look.known, look.centres, usual.stated)
    found = examine(reference, look.now, usual.level * len(look.told) / tests, look.told)
    return [Sign(look.modality, each.name, each.sentence, each.p_value) for each in found]


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
