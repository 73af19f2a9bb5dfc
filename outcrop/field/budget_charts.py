"""The picture of `outcrop bench`: energy for a square kilometre, and what of it is computing."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from outcrop.field.budgets import Budget
from outcrop.field.drawing import INK, dress, placed, png, shorten

COMPUTING, WHOLE = "#455fb8", "#d9702b"
TITLE = "Energy for a square kilometre: computing alone, and with the sensors"


def budget_picture(budgets: Sequence[Budget]) -> bytes:
    """Two bars a contender on a logarithmic axis, each with its range; PNG."""
    height = 0.9 + 0.55 * len(budgets)
    figure = Figure(figsize=(7, height))
    axes = figure.add_axes(placed(figure, 1.6, 0.4, 4.9, height - 0.9))
    dress(axes, TITLE)
    axes.set_xscale("log")
    axes.tick_params(which="minor", length=0)
    for row, budget in enumerate(budgets):
        energies = [("computing", budget.computing, COMPUTING)]
        if budget.whole is not None:
            energies.append(("with sensors", budget.whole, WHOLE))
        for part, (name, energy, colour) in enumerate(energies):
            y = row + 0.36 * part - 0.18
            span = [[energy.joules - energy.low], [energy.high - energy.joules]]
            axes.barh(y, energy.joules, 0.32, color=colour, alpha=0.85, label=name if row == 0 else None)
            axes.errorbar(energy.joules, y, xerr=span, color=INK, linewidth=1, capsize=2)
    axes.set_yticks(range(len(budgets)), [shorten(budget.burden.name) for budget in budgets])
    axes.invert_yaxis()
    axes.set_xlabel("J / km²", fontsize=8, color=INK, loc="left")
    axes.grid(visible=False, axis="y")
    axes.legend(fontsize=7, frameon=False, labelcolor=INK, loc="upper right", bbox_to_anchor=(1, -0.1), ncols=2)
    return png(figure)
