"""The simulated survey with other parameters; imports no more than reading a survey needs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from outcrop.params import Params
from outcrop.survey.surveys import Survey, load_survey

PROJECT = Path(__file__).parent.parent


def survey_with(changes: Mapping[str, Any], folder: Path) -> tuple[Survey, Params]:
    """The simulated survey with other parameters."""
    entries = yaml.safe_load((PROJECT / "data/surveys/simulated.yaml").read_text())
    path = folder / "survey.yaml"
    path.write_text(yaml.safe_dump({**entries, "params": {**entries["params"], **changes}}, sort_keys=False))
    return load_survey(path, PROJECT / "params.yaml")
