"""What is estimated beside the class: properties of the ground that a simulated site knows the truth of."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from outcrop.errors import DataError
from outcrop.survey.blocks import Tile, tile_labels
from outcrop.survey.rasters import read_window
from outcrop.survey.sites import Scene, Site

Values = NDArray[np.float64]
#: (site, place of the scene among its scenes, tile) -> (tile height, tile width), NaN where it means nothing.
Reading = Callable[[Site, int, Tile], Values]
#: Classes of rock that can carbonate. Limestone is all carbonate from the first day, which says nothing of weathering.
SILICATES = ("basalt", "olivine", "pyroxene", "plagioclase", "serpentine", "wollastonite")


@dataclass(frozen=True)
class Property:
    """One property of a base cell.

    Parameters
    ----------
    cue : what of it shows in colour pictures, if anything does
    bounds : least and greatest value that it can have
    truth : the layer that holds it
    changes : it tells of two dates, the site's first one and a later one
    """

    name: str
    title: str
    cue: str
    unit: str
    bounds: tuple[float, float]
    truth: str
    read: Reading
    changes: bool = False


def _layer(name: str) -> Reading:
    return lambda site, date, tile: np.asarray(_window(site.scenes[date], name, tile)[0])


def _window(scene: Scene, name: str, tile: Tile) -> Values:
    values = read_window(scene.truth[name], tile.row, tile.col, tile.height, tile.width)
    return values.astype(np.float64)


def _carbonated(site: Site, date: int, tile: Tile) -> Values:
    """How much of a silicate rock has turned to carbonate, where there is most of such a rock."""
    silicates = [entry.value for entry in site.classes if entry.name in SILICATES]
    there = np.isin(tile_labels(site.scenes[date], tile), silicates)
    return np.where(there, _layer("carbonation")(site, date, tile), np.nan)


def _changed(site: Site, date: int, tile: Tile) -> Values:
    """Share of the area whose mineral has become another: half the sum of what the minerals' shares differ by."""
    first, later = site.scenes[0], site.scenes[date]
    mineral = [not band.name.endswith("vegetation") for band in later.truth["fractions"].bands]
    then, now = (_window(scene, "fractions", tile)[mineral] for scene in (first, later))
    return np.asarray(np.abs(now - then).sum(axis=0) / 2)


PROPERTIES = (
    Property(
        "carbonation",
        "carbonation extent of silicate rock",
        "weathering patterns",
        "share",
        (0.0, 1.0),
        "carbonation",
        _carbonated,
    ),
    Property(
        "composition_change",
        "composition change",
        "colour shift between two dates",
        "share of the area",
        (0.0, 1.0),
        "fractions",
        _changed,
        changes=True,
    ),
    Property(
        "reactive_surface",
        "reactive surface area",
        "texture",
        "m2/g",
        (0.0, np.inf),
        "reactive_surface",
        _layer("reactive_surface"),
    ),
    Property("soil_ph", "soil pH", "vegetation response", "pH", (0.0, 14.0), "soil_ph", _layer("soil_ph")),
)


def require_truth(site: Site, property_: Property) -> None:
    """Make sure that a site knows the truth of a property.

    Raises
    ------
    DataError : it does not, or has one date where two are needed.
    """
    if any(property_.truth not in scene.truth for scene in site.scenes):
        raise DataError(
            f"the site does not know the truth of its {property_.title}",
            where=site.path,
            remedy="make a site with `outcrop simulate`",
        )
    if property_.changes and len(site.scenes) < 2:
        raise DataError(
            f"the {property_.title} needs two dates, the site has one",
            where=site.path,
            remedy="make a second one with `outcrop simulate --change`",
        )
