"""A site at a glance: every modality, the labels and the split, on one sheet.

A scene gets a panel each, as large as the sheet allows; the scenes of a site with several share a contact sheet.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from outcrop.field.contacts import draw_contacts
from outcrop.field.drawing import DPI
from outcrop.field.panels import (
    HEADER,
    INNER,
    MARGIN,
    MOST_LINES,
    TITLE,
    WIDTH,
    Panel,
    describe,
    draw_scale,
    ground_aspect,
    key_of,
    panels_of,
    write_header,
)
from outcrop.field.sheets import BAR, LINE, PAPER, SMALL, Group, Look, Sheet, fit, key_height, narrowest_key, wrap
from outcrop.survey.sites import Scene, Site
from outcrop.survey.summaries import count_cells

#: In inches: the space between panels, the largest height of a panel and of a sheet, the narrowest colour bar.
GAP, TALLEST_PANEL, TALLEST, NARROWEST_BAR = 0.2, 7.0, 12.0, 1.8


@dataclass(frozen=True)
class Quicklook:
    """The picture of a site, which scenes it shows, and of how many."""

    image: Image.Image
    scenes: tuple[str, ...]
    total: int


def draw_site(site: Site, scene: Scene | None = None, look: Look = PAPER) -> Quicklook:
    """A site on one sheet; only ``scene`` where one is given. Rasters are read decimated: memory is the picture's."""
    chosen = scene or (site.scenes[0] if len(site.scenes) == 1 else None)
    if chosen is not None:
        return Quicklook(_draw_scene(site, chosen, look), (chosen.id,), len(site.scenes))
    image, shown = draw_contacts(site, look)
    return Quicklook(image, shown, len(site.scenes))


@dataclass(frozen=True)
class _Row:
    """Panels beside one another: the lines of text above each, and the heights of text, map and colour bar."""

    panels: list[Panel]
    lines: list[list[str]]
    above: float
    map: float
    below: float

    @property
    def height(self) -> float:
        return self.above + self.map + self.below


def _draw_scene(site: Site, scene: Scene, look: Look) -> Image.Image:
    count, aspect = len(scene.rasters) + 2, ground_aspect(scene)
    columns = _columns(count, aspect)
    slot = _slot(columns)
    height = min(slot / aspect, TALLEST_PANEL)
    width = height * aspect
    panels = panels_of(scene, site.classes, round(max(width, height) * DPI))
    rows = [_row(panels[first : first + columns], slot, height) for first in range(0, count, columns)]
    key = key_of([panel.shown for panel in panels], site.classes, count_cells(scene, site.classes))
    top = HEADER + sum(row.height for row in rows)
    free = -count % columns
    room = _narrowed(key, free * (slot + GAP) - GAP, rows[-1].height)
    sheet = Sheet(WIDTH, top + MARGIN + (0 if room else key_height(key, INNER)), look)
    write_header(sheet, site.name, f"survey {site.survey}, scene {scene.id}, {describe(scene)}")
    draw_scale(sheet, scene, WIDTH - MARGIN, MARGIN + 0.02, width, longest=1.5)
    y = HEADER
    for row in rows:
        _draw_row(sheet, row, y, slot, width, scene)
        y += row.height
    if room:
        sheet.key(MARGIN + (columns - free) * (slot + GAP), y - rows[-1].height + 0.02, room, key)
    else:
        sheet.key(MARGIN, y, INNER, key)
    return sheet.pixels()


def _slot(columns: int) -> float:
    return (INNER - (columns - 1) * GAP) / columns


def _columns(count: int, aspect: float) -> int:
    """How many panels stand beside one another: what fills the sheet best with maps, as far as its height allows."""
    worth = {}
    for columns in range(1, count + 1):
        rows, height = -(-count // columns), min(_slot(columns) / aspect, TALLEST_PANEL)
        if columns == count or HEADER + rows * (height + 0.7) <= TALLEST:
            worth[columns] = height**2 * count / (rows * columns)
    return max(worth, key=lambda columns: worth[columns])


def _narrowed(key: Sequence[Group], room: float, height: float) -> float:
    """Width of the key in the free part of the last row: one entry a line if that is not too high; 0: no room."""
    for width in (narrowest_key(key), room):
        if 0 < width <= room and key_height(key, width) <= height:
            return width
    return 0.0


def _row(panels: list[Panel], slot: float, height: float) -> _Row:
    lines = [
        wrap(panel.words, slot, SMALL, MOST_LINES) + wrap("; ".join(panel.notes), slot, SMALL, MOST_LINES)
        for panel in panels
    ]
    above = TITLE + LINE * max(map(len, lines)) + 0.06
    return _Row(panels, lines, above, height, BAR if any(panel.shown.scale for panel in panels) else 0.2)


def _draw_row(sheet: Sheet, row: _Row, y: float, slot: float, width: float, scene: Scene) -> None:
    for column, (panel, lines) in enumerate(zip(row.panels, row.lines, strict=True)):
        x = MARGIN + column * (slot + GAP)
        sheet.text(x, y, fit(panel.title, slot, 9, bold=True), 9, bold=True)
        for number, line in enumerate(lines):
            sheet.text(x, y + TITLE + number * LINE, line, SMALL, quiet=True)
        sheet.image(x, y + row.above, width, row.map, panel.shown, (scene.grid.height, scene.grid.width))
        if panel.shown.scale:
            across = max(width, min(slot, NARROWEST_BAR))
            sheet.bar(x, y + row.above + row.map + 0.05, across, panel.shown.scale, label=True)
