"""The look that all pictures share: ink, keys, placing by inches, PNG bytes.

Pictures are drawn on a transparent ground in mid-tone ink, so that one picture reads on a light and on a dark page;
equal input gives equal bytes. Nothing here touches pyplot or any other global state, and every text is drawn literally
(a ``$`` in a class name is a dollar sign, not a formula).
"""

from collections.abc import Sequence
from io import BytesIO

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

#: Pixels per inch. Twice a screen's, so that a picture shown at half its pixel size is sharp.
DPI = 200
#: Ink that reads on white and on near-black.
INK = "#7a8087"
FAINT = "#a3a9b038"


def placed(figure: Figure, x: float, y: float, width: float, height: float) -> tuple[float, float, float, float]:
    """Inches from the upper left corner, as matplotlib's shares from the lower left."""
    whole_width, whole_height = figure.get_size_inches()
    return x / whole_width, 1 - (y + height) / whole_height, width / whole_width, height / whole_height


def inches(figure: Figure, x: float, y: float, width: float, height: float) -> Axes:
    """Invisible axes whose units are inches, x to the right and y down."""
    axes = figure.add_axes(placed(figure, x, y, width, height))
    axes.set_axis_off()
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    return axes


def key_columns(entries: Sequence[tuple[str, str]], width: float, font: float = 7.5) -> int:
    """How many entries of a key fit beside one another: a glyph is about 0.6 of its size wide."""
    longest = max(len(shorten(name, 48)) for name, _ in entries)
    return max(1, min(len(entries), int(width / (0.25 + longest * font * 0.6 / 72))))


def draw_key(axes: Axes, entries: Sequence[tuple[str, str]], font: float = 7.5) -> None:
    """A key: a coloured square and a name an entry, in columns."""
    if not entries:
        return
    width = axes.get_xlim()[1]
    columns = key_columns(entries, width, font)
    for index, (name, colour) in enumerate(entries):
        x, y = index % columns * width / columns, 0.1 + index // columns * 0.16
        axes.add_patch(Rectangle((x, y), 0.1, 0.1, facecolor=colour, linewidth=0))
        write(axes, x + 0.15, y + 0.055, shorten(name, 48), font)


def write(axes: Axes, x: float, y: float, text: str, font: float = 7.5) -> None:
    """Text that begins at a point, vertically centred on it."""
    axes.text(x, y, text, ha="left", va="center", fontsize=font, color=INK, parse_math=False)


def dress(axes: Axes, title: str = "") -> None:
    """The plain look that all plots share: no box, faint grid, mid-tone ink."""
    axes.patch.set_visible(False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.grid(color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, labelsize=7, length=0)
    axes.set_title(title, fontsize=9, color=INK, loc="left", pad=6)


def png(figure: Figure) -> bytes:
    """The figure as PNG bytes, without anything that differs between machines."""
    FigureCanvasAgg(figure)
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, facecolor="none", metadata={"Software": None})
    return buffer.getvalue()


def shorten(name: str, longest: int = 28) -> str:
    """A name of at most ``longest`` characters."""
    return name if len(name) <= longest else f"{name[: longest - 1]}…"
