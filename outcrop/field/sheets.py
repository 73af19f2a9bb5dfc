"""A sheet of paper that is drawn on by inches: text that fits, images in base cells, keys, colour bars, scale bars."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from math import floor, log10

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle
from matplotlib.textpath import text_to_path
from PIL import Image

from outcrop.field.drawing import DPI, INK, inches, placed
from outcrop.field.renderings import Rendering, Scale

#: Heights in inches: of a line of small text, of a line of the key, of a colour bar with its numbers.
LINE, ENTRY, BAR = 0.125, 0.165, 0.34
SMALL, PLAIN = 6.5, 7.5


@dataclass(frozen=True)
class Look:
    """Colours of everything that is not data. ``ground`` "none" is transparent."""

    ink: str
    quiet: str
    ground: str
    void: str
    hatch: str


#: A picture of its own, and one that must read on a light and on a dark page.
PAPER = Look("#23282d", "#676e75", "#ffffff", "#f1efeb", "#c4c6c8")
PAGE = Look(INK, INK, "none", "#a3a9b038", "#7a808766")


@dataclass(frozen=True)
class Entry:
    """One line of a key. ``colour`` None: the hatch of what has no data."""

    name: str
    colour: str | None
    count: str = ""


@dataclass(frozen=True)
class Group:
    """Entries of a key below a heading."""

    heading: str
    entries: tuple[Entry, ...]


class Sheet:
    """A figure of ``width`` x ``height`` inches; x grows to the right, y down."""

    def __init__(self, width: float, height: float, look: Look) -> None:
        self.look = look
        self._figure = Figure(figsize=(width, height), dpi=DPI, facecolor=look.ground)
        self._front = inches(self._figure, 0, 0, width, height)
        self._front.set_zorder(2)
        self._front.patch.set_visible(False)
        self._front.set_autoscale_on(False)

    def text(self, x: float, y: float, words: str, size: float = PLAIN, *, quiet: bool = False, bold: bool = False,
             align: str = "left") -> None:  # fmt: skip
        """One line of text whose upper edge is at ``y``, drawn literally."""
        self._front.text(
            x, y, words, size=size, color=self.look.quiet if quiet else self.look.ink, ha=align, va="top",
            weight="bold" if bold else "normal", parse_math=False,
        )  # fmt: skip

    def image(self, x: float, y: float, width: float, height: float, shown: Rendering, cells: tuple[int, int]) -> None:
        """A rendering over the hatched ground, cut to ``cells`` (rows, columns) of the base grid."""
        axes = self._figure.add_axes(placed(self._figure, x, y, width, height))
        axes.set_axis_off()
        if not shown.classes:
            rows, columns = cells
            axes.add_patch(self._hatched((0, 0), columns, rows))
        smoothing = "nearest" if shown.classes else "auto"
        axes.imshow(shown.pixels, extent=shown.extent, interpolation=smoothing, aspect="auto", zorder=2)
        axes.set_xlim(0, cells[1])
        axes.set_ylim(cells[0], 0)
        self.frame(x, y, width, height)

    def frame(self, x: float, y: float, width: float, height: float) -> None:
        """A hairline, so that light pixels do not run into the ground."""
        box = Rectangle((x, y), width, height, facecolor="none", edgecolor=self.look.quiet, linewidth=0.4, alpha=0.6)
        self._front.add_patch(box)

    def bar(self, x: float, y: float, width: float, scale: Scale, *, label: bool) -> None:
        """A colour bar with the values at its ends and, if there is room, what they are."""
        ramp = np.asarray(scale.colours(np.linspace(0, 1, 256)))[None]
        self._front.imshow(ramp, extent=(x, x + width, y + 0.07, y), aspect="auto", interpolation="nearest")
        ends = [brief(scale.low), brief(scale.high)]
        self.text(x, y + 0.1, ends[0], SMALL, quiet=True)
        self.text(x + width, y + 0.1, ends[1], SMALL, quiet=True, align="right")
        room = width - 2 * max(text_width(end, SMALL) for end in ends) - 0.15
        if label and (fitted := fit(scale.label, room, SMALL)):
            self.text(x + width / 2, y + 0.1, fitted, SMALL, align="center")

    def scale_bar(self, right: float, y: float, per_inch: float, longest: float, unit: str) -> None:
        """A bar of a round length that ends at ``right``, its length written to the left of it.

        Parameters
        ----------
        per_inch : metres or cells in an inch of the sheet
        """
        length = round_length(longest * per_inch)
        across = length / per_inch
        box = Rectangle((right - across, y + 0.05), across, 0.03, facecolor=self.look.ink, linewidth=0)
        self._front.add_patch(box)
        for end in (right - across, right):
            self._front.plot([end, end], [y + 0.025, y + 0.105], color=self.look.ink, linewidth=0.8)
        words = f"{length / 1000:g} km" if unit == "m" and length >= 1000 else f"{length:,g} {unit}"
        self.text(right - across - 0.08, y + 0.01, words, SMALL, align="right")

    def key(self, x: float, y: float, width: float, groups: Sequence[Group]) -> None:
        """Groups beside one another while they fit, then below; the entries of each in as many columns as fit."""
        for group, across, down in _placed(groups, width):
            left, top = x + across, y + down
            self.text(left, top, group.heading, SMALL, quiet=True)
            widths, rows = _columns(group, width)
            for index, entry in enumerate(group.entries):
                column, row = divmod(index, rows)
                self._entry(left + sum(widths[:column]), top + (row + 1) * ENTRY, widths[column], entry)

    def _entry(self, x: float, y: float, width: float, entry: Entry) -> None:
        if entry.colour is None:
            self._front.add_patch(self._hatched((x, y), 0.11, 0.11))
        else:
            self._front.add_patch(Rectangle((x, y), 0.11, 0.11, facecolor=entry.colour, linewidth=0))
        self.frame(x, y, 0.11, 0.11)
        self.text(x + 0.17, y - 0.005, fit(entry.name, NAME, PLAIN), PLAIN)
        self.text(x + width - AFTER, y - 0.005, entry.count, PLAIN, quiet=True, align="right")

    def _hatched(self, corner: tuple[float, float], width: float, height: float) -> Rectangle:
        look = self.look
        return Rectangle(
            corner, width, height, facecolor=look.void, edgecolor=look.hatch, hatch="//////", linewidth=0
        )  # fmt: skip

    def pixels(self) -> Image.Image:
        """The sheet as an image; with an alpha channel where its ground is transparent."""
        canvas = FigureCanvasAgg(self._figure)
        canvas.draw()
        image = Image.fromarray(np.asarray(canvas.buffer_rgba()))
        return image if self.look.ground == "none" else image.convert("RGB")


#: Longest name in a key, and the space after an entry and after a group, in inches.
NAME, AFTER, APART = 2.2, 0.22, 0.3


def key_height(groups: Sequence[Group], width: float) -> float:
    """Inches that a key needs."""
    return max(down + _group_height(group, width) for group, _, down in _placed(groups, width))


def narrowest_key(groups: Sequence[Group]) -> float:
    """Width of the key with one entry a line."""
    return max(_entry_width(entry) for group in groups for entry in group.entries)


def _placed(groups: Sequence[Group], width: float) -> list[tuple[Group, float, float]]:
    """Every group with its place in the key: inches to the right and down."""
    found: list[tuple[Group, float, float]] = []
    x = y = lowest = 0.0
    for group in groups:
        needed = max(sum(_columns(group, width)[0]), text_width(group.heading, SMALL) + AFTER)
        if x and x + needed - AFTER > width:
            x, y = 0.0, lowest + 0.08
        found.append((group, x, y))
        lowest = max(lowest, y + _group_height(group, width))
        x += needed + APART
    return found


def _group_height(group: Group, width: float) -> float:
    return (1 + _columns(group, width)[1]) * ENTRY


def _columns(group: Group, width: float) -> tuple[list[float], int]:
    """Widths of the columns of a group, and its rows."""
    widths = [_entry_width(entry) for entry in group.entries]
    if sum(widths) - AFTER <= width:
        return widths, 1
    columns = max(1, int((width + AFTER) / max(widths)))
    rows = -(-len(widths) // columns)
    return [max(widths[first : first + rows]) for first in range(0, len(widths), rows)], rows


def _entry_width(entry: Entry) -> float:
    count = text_width(entry.count, PLAIN)
    return 0.17 + text_width(fit(entry.name, NAME, PLAIN), PLAIN) + (0.1 + count if count else 0) + AFTER


@cache
def text_width(words: str, size: float, bold: bool = False) -> float:
    """Width of one line of text in inches."""
    font = FontProperties(size=size, weight="bold" if bold else "normal")
    return float(text_to_path.get_text_width_height_descent(words, font, ismath=False)[0]) / 72


def fit(words: str, width: float, size: float, bold: bool = False) -> str:
    """As much of one line as fits, with an ellipsis where it was cut; nothing where not even that fits."""
    if text_width(words, size, bold) <= width:
        return words
    while words and text_width(words + "…", size, bold) > width:
        words = words[:-1]
    return words.rstrip(" ,;") + "…" if words else ""


def wrap(words: str, width: float, size: float, most: int) -> list[str]:
    """Break text into at most ``most`` lines of ``width`` inches; an ellipsis ends what was cut."""
    lines: list[str] = []
    left = words.split()
    while left and len(lines) < most:
        taken = 1
        while taken < len(left) and text_width(" ".join(left[: taken + 1]), size) <= width:
            taken += 1
        last = len(lines) == most - 1
        lines.append(fit(" ".join(left if last else left[:taken]), width, size))
        left = left[taken:]
    return lines


def brief(value: float) -> str:
    """A number in about four digits: 12,345, 281.3, 0.0057."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.{4 if abs(value) >= 1 else 3}g}"


def round_length(longest: float) -> float:
    """The largest of 1, 2, 5, 10, 20, ... that is no more than ``longest``; parts of one below 1."""
    power = 10.0 ** floor(log10(longest))
    return next(float(f"{step * power:.6g}") for step in (5, 2, 1) if step * power <= longest * (1 + 1e-9))


def as_png(image: Image.Image) -> bytes:
    """The image as PNG; equal pixels give equal bytes."""
    buffer = BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


def as_webp(image: Image.Image, most: int) -> bytes:
    """The image as WebP of at most ``most`` bytes: first its quality gives way, then its size."""
    while True:
        for quality in (84, 72, 60, 45):
            buffer = BytesIO()
            image.save(buffer, format="WEBP", quality=quality, method=4)
            if buffer.tell() <= most or max(image.size) < 64:
                return buffer.getvalue()
        image = image.resize((image.width * 3 // 4, image.height * 3 // 4), Image.Resampling.LANCZOS)
