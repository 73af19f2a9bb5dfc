"""What a quicklook says: the panels of a scene with the words above them, and the key to their colours."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from outcrop.field.renderings import SPLIT_COLOURS, UNUSED, Rendering, render, render_labels, render_split
from outcrop.field.sheets import PLAIN, Entry, Group, Sheet, fit, text_width, wrap
from outcrop.survey.ground import cell_size, crs_title
from outcrop.survey.remarks import remarks_on
from outcrop.survey.sites import LabelClass, Raster, Scene
from outcrop.survey.summaries import COLUMNS, resolution, wavelength_range

#: In inches: the sheet's width, its margin and what lies between the margins; the header, and a panel's title.
WIDTH, MARGIN, HEADER, TITLE = 10.8, 0.15, 0.52, 0.17
INNER = WIDTH - 2 * MARGIN
#: Lines of small text about a modality: of what it shows, and of notes.
MOST_LINES = 4


@dataclass(frozen=True)
class Panel:
    """One map and the words above it: what it shows, and what was noted of it."""

    title: str
    words: str
    notes: tuple[str, ...]
    shown: Rendering


def panels_of(scene: Scene, classes: tuple[LabelClass, ...], max_side: int) -> list[Panel]:
    """A panel for every modality, the labels and the split, rendered for so many pixels."""
    panels = [_panel(raster, render(raster, max_side)) for raster in scene.rasters.values()]
    labels, split = render_labels(scene, classes, max_side), render_split(scene, max_side)
    panels.append(Panel("labels", labels.words, scene.notes, labels))
    panels.append(Panel("split", "", (), split))
    return panels


def _panel(raster: Raster, shown: Rendering) -> Panel:
    count, pixel = len(raster.bands), cell_size(raster.grid)
    facts = [f"{count} bands" if count > 1 else "", _wavelengths(raster)]
    facts.append(f"{pixel} pixels" if pixel else resolution(raster.nesting))
    return Panel(
        raster.modality, "; ".join(filter(None, (*facts, shown.words))), tuple(remarks_on(raster, raster.notes)), shown
    )


def _wavelengths(raster: Raster) -> str:
    known = wavelength_range(raster.bands)
    if known is None:
        return ""
    low, high = (f"{end:.3g}" for end in known)
    return f"{low} µm" if low == high else f"{low}-{high} µm"


def key_of(shown: Sequence[Rendering], classes: Sequence[LabelClass], cells: NDArray[np.int64]) -> list[Group]:
    """The key to the classes and splits that occur, with their cells, and to the hatch if a rendering has gaps.

    Parameters
    ----------
    cells : as `outcrop.survey.summaries.count_cells` gives them
    """
    names = [*((entry.name, entry.colour) for entry in classes), ("no label", UNUSED)]
    splits = [(name, SPLIT_COLOURS.get(name, UNUSED)) for name in (*COLUMNS[:-1], "none: buffer or unused")]
    groups = [
        Group("labels, in base cells", _entries(names, cells.sum(axis=1))),
        Group("split, in base cells", _entries(splits, cells.sum(axis=0))),
    ]
    if any((rendering.pixels[..., 3] == 0).any() for rendering in shown):
        groups.append(Group("rasters", (Entry("no data", None),)))
    return groups


def _entries(names: Sequence[tuple[str, str]], counts: NDArray[np.int64]) -> tuple[Entry, ...]:
    together = zip(names, counts.tolist(), strict=True)
    return tuple(Entry(name, colour, f"{count:,}") for (name, colour), count in together if count)


def describe(scene: Scene, *, crs: bool = True) -> str:
    """Base grid, CRS and days of a scene in one line."""
    grid, size = scene.grid, cell_size(scene.grid)
    words = [f"{grid.height:,} x {grid.width:,} cells" + (f" of {size}" if size else "")]
    if crs:
        words.append(crs_title(grid.crs) if grid.crs else "no CRS")
        words += [" to ".join(dict.fromkeys(day.isoformat() for day in scene.acquired))] if scene.acquired else []
    return ", ".join(words)


def ground_aspect(scene: Scene) -> float:
    """Width of a scene as a share of its height, on the ground."""
    size = cell_size(scene.grid)
    return scene.grid.width / scene.grid.height * (size.width / size.height if size else 1.0)


def write_header(sheet: Sheet, title: str, words: str) -> None:
    """The name of a site and, in small, what the sheet shows of it; the right end stays free for a scale bar."""
    name = fit(title, INNER / 2, 13, bold=True)
    sheet.text(MARGIN, MARGIN - 0.03, name, 13, bold=True)
    after = MARGIN + text_width(name, 13, bold=True) + 0.15
    lines = wrap(words, WIDTH - MARGIN - 2.4 - after, PLAIN, 2)
    for number, line in enumerate(lines):
        sheet.text(after, MARGIN + (0.035 if len(lines) == 1 else -0.035) + 0.135 * number, line, quiet=True)


def draw_scale(sheet: Sheet, scene: Scene, right: float, y: float, width: float, longest: float) -> None:
    """A scale bar for a map of ``scene`` that is ``width`` inches wide."""
    size = cell_size(scene.grid)
    across = scene.grid.width * (size.width if size else 1.0)
    sheet.scale_bar(right, y, across / width, min(longest, width), "m" if size else "cells")
