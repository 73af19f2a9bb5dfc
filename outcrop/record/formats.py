"""How a page writes numbers, parameters and pictures."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import yaml
from markupsafe import Markup

Interval = Sequence[float]
#: What stands where a value does not apply.
NOTHING = "–"  # noqa: RUF001


@dataclass(frozen=True)
class Picture:
    """A PNG or WebP with the sentence that says what it shows to those who cannot see it."""

    data: bytes
    alt: str
    caption: str = ""


def fixed(value: float | None, digits: int = 3) -> str:
    """``value`` with a fixed number of decimals, so that a column's digits align."""
    return NOTHING if value is None or not isfinite(value) else f"{value:,.{digits}f}"


def spread(interval: Interval | None, digits: int = 3) -> str:
    """An interval as "low to high"; empty where there is none."""
    if interval is None or not all(isfinite(end) for end in interval):
        return ""
    return f"{interval[0]:.{digits}f} to {interval[1]:.{digits}f}"


def chance(p_value: float) -> str:
    """A p-value; below a thousandth its size is not to be taken at its word."""
    return "< 0.001" if p_value < 0.001 else fixed(p_value)


def count(value: float | None) -> str:
    """A whole number, its thousands separated."""
    return fixed(value, 0)


def size(value: float | None) -> str:
    """Bytes in the unit that leaves the fewest digits."""
    if value is None:
        return NOTHING
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def plain(value: Any) -> str:
    """A parameter's value as ``params.yaml`` writes it, on one line."""
    text: str = yaml.safe_dump(value, default_flow_style=True, width=10**6, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")


def as_yaml(values: Mapping[str, Any]) -> str:
    """Nested parameters as ``params.yaml`` writes them."""
    text: str = yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True)
    return text


def image(picture: Picture) -> Markup:
    """An ``img`` element that holds the picture, shown at half its pixels: sharp on dense screens and in print."""
    kind, width, height = _dimensions(picture.data)
    source = b64encode(picture.data).decode("ascii")
    return Markup('<img src="data:image/{};base64,{}" alt="{}" width="{}" height="{}">').format(
        kind, source, picture.alt, round(width / 2), round(height / 2)
    )


def _dimensions(data: bytes) -> tuple[str, int, int]:
    """Format, width and height of a picture, from its head (PNG: IHDR; WebP: VP8X where it has alpha, else VP8)."""
    if data[8:16] == b"WEBPVP8X":
        width, height = (1 + int.from_bytes(data[at : at + 3], "little") for at in (24, 27))
        return "webp", width, height
    if data[8:16] == b"WEBPVP8 ":
        width, height = (int.from_bytes(data[at : at + 2], "little") & 0x3FFF for at in (26, 28))
        return "webp", width, height
    width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
    return "png", width, height
