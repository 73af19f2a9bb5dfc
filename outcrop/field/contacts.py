"""The contact sheet of a site with several scenes: each scene a strip of small maps, side by side and line by line.

At most `MOST_SCENES` are drawn, fewer where the maps of each are many: those with the most labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

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
from outcrop.field.sheets import LINE, SMALL, Look, Sheet, fit, key_height, text_width, wrap
from outcrop.survey.remarks import summed
from outcrop.survey.sites import Scene, Site
from outcrop.survey.summaries import count_cells, most_labelled

#: Scenes on a contact sheet, at most.
MOST_SCENES = 12
#: In inches: the narrowest and the widest map, the space between maps and between scenes, the largest height of all.
NARROWEST, WIDEST, CLOSE, APART, TALLEST = 0.78, 2.4, 0.06, 0.3, 16.0
#: Below a map, with and without a colour bar.
WITH_BAR, WITHOUT = 0.36, 0.16


@dataclass(frozen=True)
class _Plan:
    """How the scenes lie: columns of maps by their names, scenes beside one another, and the sizes of one map."""

    columns: tuple[str, ...]
    across: int
    width: float
    height: float

    @property
    def strip(self) -> float:
        """Width of one scene."""
        return len(self.columns) * (self.width + CLOSE) - CLOSE

    @property
    def most(self) -> int:
        """How many scenes fit on the sheet."""
        return max(1, int(TALLEST / (TITLE + self.height + WITH_BAR))) * self.across


def draw_contacts(site: Site, look: Look) -> tuple[Image.Image, tuple[str, ...]]:
    """The sheet, and which scenes are on it."""
    plan = _plan(site)
    cells = [count_cells(scene, site.classes) for scene in site.scenes]
    places = most_labelled(cells, min(MOST_SCENES, plan.most))
    scenes = [site.scenes[place] for place in places]
    side = round(max(plan.width, plan.height) * DPI)
    maps = [{panel.title: panel for panel in panels_of(scene, site.classes, side)} for scene in scenes]
    key = key_of([panel.shown for panels in maps for panel in panels.values()], site.classes, np.sum(cells, axis=0))
    words = _words(plan, maps)
    barred = any(panel.shown.scale for panels in maps for panel in panels.values())
    step = TITLE + plan.height + (WITH_BAR if barred else WITHOUT)
    foot = HEADER + LINE + -(-len(scenes) // plan.across) * step
    sheet = Sheet(WIDTH, foot + len(words) * LINE + 0.15 + key_height(key, INNER) + MARGIN, look)
    write_header(sheet, site.name, f"survey {site.survey}, {_counted(len(scenes), len(site.scenes))}")
    for index, (place, scene, panels) in enumerate(zip(places, scenes, maps, strict=True)):
        line, column = divmod(index, plan.across)
        x, y = MARGIN + column * (plan.strip + APART), HEADER + LINE + line * step
        if line == 0:
            _name_columns(sheet, plan, x, y - LINE)
        _draw_strip(sheet, plan, scene, panels, int(cells[place][:-1].sum()), x, y)
    for number, written in enumerate(words):
        sheet.text(MARGIN, foot + number * LINE, written, SMALL, quiet=True)
    sheet.key(MARGIN, foot + len(words) * LINE + 0.15, INNER, key)
    return sheet.pixels(), tuple(scene.id for scene in scenes)


def _counted(drawn: int, total: int) -> str:
    if drawn == total:
        return f"{total} scenes"
    return f"{drawn} of {total} scenes, those with the most labels; the key counts all {total}"


def _plan(site: Site) -> _Plan:
    """The largest maps with which all scenes that may be drawn fit, else the most scenes."""
    modalities = dict.fromkeys(name for scene in site.scenes for name in scene.rasters)
    columns = (*modalities, "labels", "split")
    aspect = float(np.clip(np.median([ground_aspect(scene) for scene in site.scenes]), 0.4, 4))
    plans = []
    for across in (1, 2, 3):
        strip = (INNER - (across - 1) * APART) / across
        width = min((strip + CLOSE) / len(columns) - CLOSE, WIDEST)
        if width >= NARROWEST or across == 1:
            plans.append(_Plan(columns, across, width, width / aspect))
    wanted = min(MOST_SCENES, len(site.scenes))
    return max(plans, key=lambda plan: (min(plan.most, wanted), plan.width))


def _name_columns(sheet: Sheet, plan: _Plan, x: float, y: float) -> None:
    for column, name in enumerate(plan.columns):
        left = x + column * (plan.width + CLOSE)
        sheet.text(left, y, fit(name, plan.width, SMALL), SMALL, quiet=True)


def _draw_strip(
    sheet: Sheet, plan: _Plan, scene: Scene, panels: dict[str, Panel], labelled: int, x: float, y: float
) -> None:
    aspect = ground_aspect(scene)
    width, height = min(plan.width, plan.height * aspect), min(plan.height, plan.width / aspect)
    name = fit(scene.id, plan.strip * 0.4, SMALL, bold=True)
    sheet.text(x, y + 0.02, name, SMALL, bold=True)
    after = text_width(name, SMALL, bold=True) + 0.1
    words = f"{describe(scene, crs=False)}, {labelled:,} labelled"
    sheet.text(x + after, y + 0.02, fit(words, plan.strip - after - 1.2, SMALL), SMALL, quiet=True)
    draw_scale(sheet, scene, x + plan.strip, y, width, longest=0.5)
    for column, title in enumerate(plan.columns):
        left, top = x + column * (plan.width + CLOSE), y + TITLE
        if title not in panels:
            sheet.frame(left, top, width, height)
            sheet.text(left + width / 2, top + height / 2 - 0.05, "not there", SMALL, quiet=True, align="center")
            continue
        shown = panels[title].shown
        sheet.image(left, top, width, height, shown, (scene.grid.height, scene.grid.width))
        if shown.scale:
            sheet.bar(left, top + height + 0.04, width, shown.scale, label=False)


def _words(plan: _Plan, maps: Sequence[dict[str, Panel]]) -> list[str]:
    """What is shown of each modality, and every note, in lines as wide as the sheet."""
    lines: list[str] = []
    for title in plan.columns:
        found = [panels[title] for panels in maps if title in panels]
        bar = next((panel.shown.scale.label for panel in found if panel.shown.scale), "")
        notes = summed(note for panel in found for note in panel.notes)
        said = "; ".join(filter(None, (*dict.fromkeys(panel.words for panel in found), bar, *notes)))
        if said:
            lines += wrap(f"{title}: {said}", INNER, SMALL, MOST_LINES)
    return lines
