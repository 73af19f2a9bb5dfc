"""Pictures of simulated sites: what their sensors see, and what is true."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_rgb
from numpy.typing import NDArray

from benchmarks.simulated import NEW, TRAINING, simulated
from benchmarks.spectra import draw_fits
from outcrop.field.quicklooks import draw_site
from outcrop.field.renderings import Rendering, Scale
from outcrop.field.sheets import BAR, PAPER, Entry, Group, Sheet, as_webp, key_height
from outcrop.survey.rasters import read_window
from outcrop.survey.simulation.endmembers import ENDMEMBERS
from outcrop.survey.sites import Raster, Scene, Site

#: Sites that are shown whole, sites whose minerals are shown, and the one whose rock turns to carbonate.
SHOWN = ("iceland", "gusev", NEW)
FARM = "illinois"
#: Minerals in the colours of the units that they are the mark of; what is of no unit in particular is grey.
UNIT_OF = {
    "orthopyroxene": "pyroxene",
    "clinopyroxene": "pyroxene",
    "hematite": "iron_oxide",
    "goethite": "iron_oxide",
    "kaolinite": "clay",
    "montmorillonite": "clay",
    "green_vegetation": "vegetation",
    "dry_vegetation": "soil",
}
OTHER = ("magnetite or quartz", "#9a9a9a")
#: Bytes of one picture at most; inches of the sheet, its margin, the gap between maps and the space for a title.
MOST = 240_000
WIDTH, MARGIN, GAP, TITLE = 10.8, 0.15, 0.2, 0.2
Colours = NDArray[np.float64]


def draw_views(size: int, folder: Path) -> list[str]:
    """Draw all pictures of the document into ``folder``; gives their names. Needs OUTCROP_REAL_DATA.

    Parameters
    ----------
    size : base cells along one side of each site
    """
    draw_fits(folder / "simulation-spectra.png")
    with simulated(size, (*dict.fromkeys((*TRAINING, *SHOWN)), FARM)) as ground:
        for name in SHOWN:
            image = draw_site(ground.sites[name]).image
            (folder / f"simulation-{name}.webp").write_bytes(as_webp(image, MOST))
        truth = draw_truth([ground.sites[name] for name in SHOWN], ground.sites[FARM])
        (folder / "simulation-truth.webp").write_bytes(truth)
    return ["simulation-spectra.png", *(f"simulation-{name}.webp" for name in SHOWN), "simulation-truth.webp"]


def draw_truth(sites: Sequence[Site], farm: Site) -> bytes:
    """The minerals of some sites above the carbonation of a farm at its dates, as WebP."""
    columns = max(len(sites), len(farm.scenes))
    side = (WIDTH - 2 * MARGIN - (columns - 1) * GAP) / columns
    key = _key(sites[0])
    below = 2 * MARGIN + TITLE + side + key_height(key, WIDTH - 2 * MARGIN)
    sheet = Sheet(WIDTH, below + TITLE + side + BAR + MARGIN, PAPER)
    for column, site in enumerate(sites):
        scene = site.scenes[0]
        shown = _map(_painted(scene.truth["fractions"], _colours(site)))
        _draw(sheet, column, MARGIN, side, f"{site.name}: minerals", scene, shown)
    sheet.key(MARGIN, MARGIN + TITLE + side + 0.05, WIDTH - 2 * MARGIN, key)
    carbonation = [_read(scene.truth["carbonation"])[0] for scene in farm.scenes]
    scale = Scale(0.0, max(float(values.max()) for values in carbonation), colormaps["viridis"], "share carbonated")
    for column, (scene, values) in enumerate(zip(farm.scenes, carbonation, strict=True)):
        pixels = np.asarray(scale.colours(values / (scale.high or 1)))[..., :3]
        _draw(sheet, column, below, side, f"{farm.name}: carbonation, {scene.id}", scene, _map(pixels))
    sheet.bar(MARGIN, below + TITLE + side + 0.05, side, scale, label=True)
    return as_webp(sheet.pixels(), MOST)


def _draw(sheet: Sheet, column: int, y: float, side: float, title: str, scene: Scene, shown: Rendering) -> None:
    x = MARGIN + column * (side + GAP)
    sheet.text(x, y, title, 9, bold=True)
    sheet.image(x, y + TITLE, side, side, shown, (scene.grid.height, scene.grid.width))


def _read(raster: Raster) -> NDArray[np.float32]:
    return read_window(raster, 0, 0, raster.grid.height, raster.grid.width)


def _painted(fractions: Raster, colours: Colours) -> Colours:
    """Colours (H, W, 3): those (E, 3) of the endmembers by their shares."""
    return np.asarray(np.clip(np.tensordot(_read(fractions), colours, axes=(0, 0)), 0, 1))


def _map(colours: Colours) -> Rendering:
    height, width = colours.shape[:2]
    return Rendering(np.dstack([colours, np.ones((height, width))]), (0, width, height, 0), classes=True)


def _colours(site: Site) -> Colours:
    """One colour (E, 3) an endmember."""
    units = {entry.name: entry.colour for entry in site.classes}
    return np.array([to_rgb(units.get(UNIT_OF.get(name, name), OTHER[1])) for name in ENDMEMBERS])


def _key(site: Site) -> list[Group]:
    """The units whose colours occur."""
    shown = {UNIT_OF.get(name, name) for name in ENDMEMBERS}
    entries = [Entry(entry.name, entry.colour) for entry in site.classes if entry.name in shown]
    return [Group("minerals, by the unit that they are the mark of", (*entries, Entry(*OTHER)))]
