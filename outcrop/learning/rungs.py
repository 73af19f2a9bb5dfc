"""Rungs: what the teacher, the assistants and the student see, from all sensors to the fewest."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from outcrop.errors import ParamsError

#: A rung as it is listed: `all` means every modality of the survey.
Listed = tuple[str, ...] | Literal["all"]


@dataclass(frozen=True)
class Rung:
    """One rung; its name is ``all``, or its modalities joined by ``+``."""

    name: str
    modalities: tuple[str, ...]


def chain_of(listed: Sequence[Listed], available: Collection[str]) -> tuple[Rung, ...]:
    """The rungs of a survey that has the modalities ``available``, in order; the others are dropped (see `dropped`).

    Raises
    ------
    ParamsError : the top or the last rung would be dropped, or nothing is left between which to distil.
    """
    lost = dropped(listed, available)
    kept = [_rung(each, available) for each in listed if rung_name(each) not in lost]
    ends = {rung_name(listed[0]), rung_name(listed[-1])} & set(lost)
    if ends or len(kept) < 2:
        lacking = f"`{min(ends)}` names a modality that the survey lacks" if ends else "only one of them is left"
        raise ParamsError(
            f"distil.rungs cannot be climbed: {lacking}", remedy=f"list rungs of these: {', '.join(sorted(available))}"
        )
    return tuple(kept)


def dropped(listed: Sequence[Listed], available: Collection[str]) -> tuple[str, ...]:
    """Names of the rungs that a survey with the modalities ``available`` lacks a modality for."""
    return tuple(rung_name(each) for each in listed if each != "all" and not set(each) <= set(available))


def rung_name(listed: Listed) -> str:
    """How a rung is called."""
    return "all" if listed == "all" else "+".join(listed)


def _rung(listed: Listed, available: Collection[str]) -> Rung:
    return Rung(rung_name(listed), tuple(sorted(available)) if listed == "all" else tuple(listed))
