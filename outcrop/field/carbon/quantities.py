"""Numbers as carbon accounting needs them: with a unit, an uncertainty and a source."""

from collections.abc import Mapping, Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from outcrop.errors import ParamsError
from outcrop.givens import INPUTS, read_given
from outcrop.settings import Section

Array = NDArray[np.float64]


class Quantity(Section):
    """A number, one standard deviation of it, its unit, and where it comes from."""

    value: float
    sd: Annotated[float, Field(ge=0)]
    unit: str
    source: str

    def draw(self, rng: np.random.Generator, draws: int) -> Array:
        """(draws,) normal around the value."""
        return rng.normal(self.value, self.sd, draws)

    def draw_positive(self, rng: np.random.Generator, draws: int) -> Array:
        """(draws,) log-normal, with the value as its median and about ``sd`` as its standard deviation.

        A length, a mass or a factor is never negative; a quantity of zero stays zero.
        """
        if self.value == 0:
            return np.zeros(draws)
        return np.asarray(self.value * np.exp(rng.normal(0, np.log1p(self.sd / self.value), draws)))

    def draw_share(self, rng: np.random.Generator, draws: int) -> Array:
        """(draws,) beta-distributed between 0 and 1, with this mean and standard deviation."""
        if self.sd == 0:
            return np.full(draws, self.value)
        concentration = self.value * (1 - self.value) / self.sd**2 - 1
        return rng.beta(self.value * concentration, (1 - self.value) * concentration, draws)


def one_of(unit: str, found: Quantity) -> Quantity:
    """Check the unit of a quantity.

    Raises
    ------
    ValueError : it has another unit than ``unit``.
    """
    if found.unit != unit:
        raise ValueError(f"must be in {unit}, not in `{found.unit}`")
    return found


def parse_given(text: str, option: str, unit: str, bounds: Sequence[float]) -> Quantity:
    """What a user gives for ``option``: ``0.1`` (exact) or ``0.1+-0.02`` (with one standard deviation).

    Parameters
    ----------
    bounds : lowest and highest value that is possible, both included

    Raises
    ------
    ParamsError : it is no number, or one that cannot be.
    """
    try:
        value, sd = read_given(text, unit, bounds)
    except ValueError as cause:
        raise ParamsError(str(cause), where=option, remedy="correct the value") from cause
    return Quantity(value=value, sd=sd, unit=unit, source="given by the user")


def parse_inputs(texts: Mapping[str, str | float | None], prefix: str) -> dict[str, Quantity]:
    """Those of `INPUTS` that a user gives; ``prefix`` stands before their names in errors, ``--`` of an option.

    Raises
    ------
    ParamsError : one is no number, or one that cannot be.
    """
    return {
        name: parse_given(str(texts[name]), prefix + (name.replace("_", "-") if prefix == "--" else name), *limits)
        for name, limits in INPUTS.items()
        if texts.get(name) is not None
    }
