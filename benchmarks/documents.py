"""Documents are filled from templates beside this file: every figure in them comes from a result."""

import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined


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


def machine() -> dict[str, Any]:
    """What a figure of speed was measured on."""
    return {"cores": os.cpu_count(), "processor": platform.machine(), "python": platform.python_version()}
