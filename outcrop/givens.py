"""What a user says of a site for its estimates: numbers as text, each with its uncertainty, within what is possible."""

import math
import re
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator

#: What can be said, as the options of `outcrop carbon`.
CarbonInput = Literal["depth", "porosity", "application_rate", "grain", "temperature", "ph", "losses", "emissions"]
#: The unit of each, and the lowest and the highest value that is possible.
INPUTS: dict[CarbonInput, tuple[str, tuple[float, float]]] = {
    "depth": ("m", (0, math.inf)),
    "porosity": ("1", (0, 1)),
    "application_rate": ("t/ha", (0, math.inf)),
    "grain": ("um", (1e-3, math.inf)),
    "temperature": ("C", (-50, 150)),
    "ph": ("1", (0, 14)),
    "losses": ("1", (0, 1)),
    "emissions": ("t/t", (0, math.inf)),
}
#: Ways of saying how much rock there is; who says one does not mean the other.
IN_PLACE, SPREAD = ("depth", "porosity"), ("application_rate",)


def read_given(text: str, unit: str, bounds: Sequence[float]) -> tuple[float, float]:
    """The number and one standard deviation of ``0.1`` (exact) or ``0.1+-0.02``.

    Parameters
    ----------
    bounds : lowest and highest value that is possible, both included

    Raises
    ------
    ValueError : it is no number, or one that cannot be.
    """
    number = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
    found = re.fullmatch(rf"\s*({number})\s*(?:(?:\+-|±)\s*({number}))?\s*", text)
    if not found:
        raise ValueError(f"`{text}` is no number; write it as 0.1 or 0.1+-0.02")
    value, sd = float(found[1]), float(found[2] or 0)
    low, high = bounds
    if not low <= value <= high or sd < 0:
        limits = f"at least {low:g}" if math.isinf(high) else f"from {low:g} to {high:g}"
        raise ValueError(f"{text} {unit} cannot be: it must be {limits}")
    if high == 1 and sd and sd**2 >= value * (1 - value):
        raise ValueError(f"{text} reaches beyond 0 and 1; give a smaller uncertainty")
    return value, sd


def _possible(given: dict[CarbonInput, str | float]) -> dict[CarbonInput, str | float]:
    for name, text in given.items():
        try:
            read_given(str(text), *INPUTS[name])
        except ValueError as cause:
            raise ValueError(f"{name}: {cause}") from cause
    return given


#: Those that are said, by name.
CarbonInputs = Annotated[dict[CarbonInput, str | float], AfterValidator(_possible)]


def given_here(everywhere: CarbonInputs, here: CarbonInputs) -> CarbonInputs:
    """What is said of one site, over what is said of all; one way of saying how much rock there is ends the other."""
    gone = {name for way, other in ((IN_PLACE, SPREAD), (SPREAD, IN_PLACE)) if set(way) & set(here) for name in other}
    return {name: text for name, text in everywhere.items() if name not in gone} | here
