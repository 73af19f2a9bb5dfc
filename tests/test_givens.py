"""What a survey says of one site for its estimates holds there alone, and is checked when the survey is read."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import PROJECT

from outcrop.errors import SurveyError
from outcrop.survey.surveys import Survey, load_survey
from tasks.site_estimates import params_of

SHIPPED, PARAMS = PROJECT / "data" / "surveys" / "simulated.yaml", PROJECT / "params.yaml"


def survey_file(folder: Path, here: dict[str, Any], everywhere: dict[str, Any] | None = None) -> Path:
    """The simulated survey, of whose site oman something is said."""
    entries = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    entries["sites"]["oman"]["monitor"] = {"inputs": here}
    entries["params"]["monitor"]["inputs"] = everywhere or {}
    path = folder / "survey.yaml"
    path.write_text(yaml.safe_dump(entries), encoding="utf-8")
    return path


EVERYWHERE = {"depth": "0.5+-0.1", "porosity": 0.1, "temperature": 10}
TOLD: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ({}, {}, EVERYWHERE),
    ({"temperature": "28+-3"}, {}, EVERYWHERE | {"temperature": "28+-3"}),
    ({"application_rate": 50}, {}, {"temperature": 10, "application_rate": 50}),
    ({"application_rate": 50}, {"depth": "0.2"}, {"temperature": 10, "depth": "0.2"}),
]


@pytest.mark.parametrize(("here", "asked", "told"), TOLD)
def test_a_site_has_inputs_of_its_own(
    here: dict[str, Any], asked: dict[str, Any], told: dict[str, Any], tmp_path: Path
) -> None:
    overrides = {"monitor": {"inputs": asked}}
    survey, params = load_survey(survey_file(tmp_path, here, EVERYWHERE), PARAMS, overrides)
    assert params_of(survey, params, "oman", overrides).monitor.inputs == told
    assert params_of(survey, params, "gusev", {}).monitor.inputs == EVERYWHERE | asked


def test_what_is_known_of_a_site_makes_no_new_data(tmp_path: Path) -> None:
    surveys: list[Survey] = [load_survey(survey_file(tmp_path, here), PARAMS)[0] for here in ({}, {"ph": 8})]
    assert surveys[0].model_dump() == surveys[1].model_dump()


BAD = [
    ({"hight": 1}, "sites.oman.monitor.inputs"),
    ({"depth": -1}, "depth: -1.0 m cannot be: it must be at least 0"),
    ({"porosity": "0.9+-0.4"}, "porosity: 0.9+-0.4 reaches beyond 0 and 1"),
    ({"ph": "seven"}, "ph: `seven` is no number; write it as 0.1 or 0.1+-0.02"),
]


@pytest.mark.parametrize(("here", "sentence"), BAD)
def test_what_cannot_be_is_refused_when_the_survey_is_read(here: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(SurveyError) as told:
        load_survey(survey_file(tmp_path, here), PARAMS)
    assert sentence in str(told.value) and len(str(told.value).splitlines()) == 1
