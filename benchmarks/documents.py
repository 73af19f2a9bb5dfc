"""Documents are filled from templates beside this file: every figure in them comes from a result."""

import os
import platform
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from outcrop.record.drafts import write_whole


def fill(template: str, filters: dict[str, Callable[..., str]] | None = None, **values: Any) -> str:
    """The text of a template."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(filters or {})
    return environment.get_template(template).render(**values)


def put_section(path: Path, heading: str, text: str) -> Path:
    """Replace the section of a document that begins with a heading, or put it before the last one; gives the path.

    Parameters
    ----------
    heading : of the second level, ``## ...``
    text : the section with its heading
    """
    first, *others = path.read_text(encoding="utf-8").split("\n## ")
    sections = ["## " + each.strip("\n") for each in others]
    places = [place for place, each in enumerate(sections) if each.splitlines()[0] == heading]
    if places:
        sections[places[0]] = text.strip("\n")
    else:
        sections.insert(len(sections) - 1, text.strip("\n"))
    write_whole(path, "\n\n".join([first.strip("\n"), *sections]) + "\n", "document")
    return path


def interval(estimate: Mapping[str, float] | None, signed: bool = False) -> str:
    """A value with its interval."""
    if estimate is None:
        return "–"  # noqa: RUF001
    sign = "+" if signed else ""
    return "{:{s}.3f} ({:{s}.3f} to {:{s}.3f})".format(estimate["value"], estimate["low"], estimate["high"], s=sign)


def machine() -> dict[str, Any]:
    """What a figure of speed was measured on."""
    return {"cores": os.cpu_count(), "processor": platform.machine(), "python": platform.python_version()}
