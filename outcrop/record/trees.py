"""The lineage of a model as a drawing: from the sites at the top down to what tells of the model."""

import re
from io import StringIO
from typing import Any

import networkx as nx
from matplotlib import rc_context
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from outcrop.record.audits import Chain
from outcrop.record.records import Record

#: Ground and line of a kind of record.
COLOURS = {
    "dataset": ("#efe6d5", "#8a6d3b"),
    "validation": ("#e9f3f4", "#0d6b79"),
    "model": ("#e4ecda", "#5b7f2b"),
    "promotion": ("#fdf1d8", "#8a5a00"),
}
OTHERS, DAMAGED, SUBJECT = ("#f2f2f0", "#8b9298"), ("#fbe5e1", "#a32a1c"), "#0d6b79"
#: Lanes, so that lines do not run behind boxes: what is checked to the left, what only tells others to the right.
LANES = {"validation": -1.0, "guide": 1.0, "choose": 1.0}
#: Inches that a record takes, and a letter and a line of it; what a box leaves around them, and the drawing around all.
WIDE, HIGH = 2.05, 0.8
LETTER, LINE, PADDING, MARGIN = 0.062, 0.125, 0.055, 0.1
ARROW = {"arrowstyle": "-|>", "color": "#8b9298", "lw": 0.8, "shrinkA": 0, "shrinkB": 0}
#: Kinds that teach, and are taught.
TEACHING = ("model", "guide")


def draw_lineage(chain: Chain) -> str:
    """An SVG element: a box a record, a line from what something was made from to what was made."""
    names = set(chain.names)
    graph = _plain(chain, chain.lineage.graph.subgraph(names & set(chain.lineage.graph)))
    layers = [sorted(layer, key=chain.names.index) for layer in nx.topological_generations(graph)]
    places = {
        name: ((_lane(chain.lineage.records.get(name)) + place + 0.5 - len(layer) / 2) * WIDE, -depth * HIGH)
        for depth, layer in enumerate(layers)
        for place, name in enumerate(layer)
    }
    sides = {name: _half(_words(name, chain.lineage.records.get(name))) for name in places}
    left = min((x - sides[name][0] for name, (x, _) in places.items()), default=-WIDE) - MARGIN
    right = max((x + sides[name][0] for name, (x, _) in places.items()), default=WIDE) + MARGIN
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": chain.subject, "font.family": "sans-serif"}):
        figure = Figure(figsize=(right - left, max(len(layers), 1) * HIGH), facecolor="none")
        axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        axes.set_axis_off()
        axes.set_xlim(left, right)
        axes.set_ylim(-(len(layers) - 0.5) * HIGH, 0.5 * HIGH)
        for parent, child in graph.edges:
            start = _edge_of_box(places[parent], places[child], sides[parent])
            end = _edge_of_box(places[child], places[parent], sides[child])
            axes.annotate("", end, start, arrowprops=ARROW)
        for name, (x, y) in places.items():
            record = chain.lineage.records.get(name)
            ground, line = DAMAGED if record is None else COLOURS.get(record.kind, OTHERS)
            own = name == chain.subject
            box = {
                "boxstyle": "round,pad=0.45",
                "fc": ground,
                "ec": SUBJECT if own else line,
                "lw": 2.4 if own else 0.9,
            }
            axes.text(x, y, _words(name, record), ha="center", va="center", fontsize=7.5, color="#23282d", bbox=box)
        stream = StringIO()
        FigureCanvasSVG(figure).print_svg(stream, metadata={"Date": None})
    return _inline(stream.getvalue())


def _plain(chain: Chain, graph: Any) -> Any:
    """The graph without the edges that others imply, but for those by which one model teaches another.

    Everything was validated, and an evaluation is of many models: drawn, all that would hide who taught whom.
    """
    taught = [edge for edge in graph.edges if all(_kind(chain, name) in TEACHING for name in edge)]
    drawn = nx.transitive_reduction(graph)
    drawn.add_edges_from(taught)
    return drawn


def _kind(chain: Chain, name: str) -> str:
    record = chain.lineage.records.get(name)
    return record.kind if record else ""


def _half(words: str) -> tuple[float, float]:
    """Half the width and half the height of a box, inches."""
    lines = words.split("\n")
    return max(map(len, lines)) * LETTER / 2 + PADDING, len(lines) * LINE / 2 + PADDING


def _edge_of_box(centre: tuple[float, float], other: tuple[float, float], half: tuple[float, float]) -> Any:
    """Where the line from a box's centre to another point leaves the box."""
    x, y = (there - here for here, there in zip(centre, other, strict=True))
    share = min(half[0] / abs(x) if x else 1.0, half[1] / abs(y) if y else 1.0, 1.0)
    return centre[0] + share * x, centre[1] + share * y


def _lane(record: Record | None) -> float:
    return LANES.get(record.kind, 0.0) if record else 0.0


def _words(name: str, record: Record | None) -> str:
    if record is None:
        return f"cannot be read\n{name[:12]}"
    title = record.name.removeprefix(f"{record.kind} ") or record.name
    parts = [record.kind, title if len(title) <= 26 else title[:25] + "…", name[:12]]
    return "\n".join(dict.fromkeys(parts))


def _inline(svg: str) -> str:
    """The element alone, as a page holds it, as wide as there is room for."""
    element = svg[svg.index("<svg") :]
    return re.sub(r'width="[\d.]+pt" height="[\d.]+pt"', 'width="100%" role="img"', element, count=1)
