"""The places and units that come with the simulator, and what is said of files that cannot be used."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from outcrop.errors import SurveyError
from outcrop.survey.simulation import places
from outcrop.survey.simulation.endmembers import ENDMEMBERS
from outcrop.survey.simulation.places import load_places, mean_composition
from outcrop.survey.simulation.units import UNITS, units

PLACES = load_places()
CONTENT: dict[str, Any] = yaml.safe_load((Path(places.__file__).parent / "places.yaml").read_text())


def test_there_are_the_six_places() -> None:
    assert list(PLACES) == ["iceland", "lanzarote", "gusev", "illinois", "oman", "jezero"]
    assert {name for name, place in PLACES.items() if place.planet == "mars"} == {"gusev", "jezero"}
    assert all((place.grid.crs is None) == (place.planet == "mars") for place in PLACES.values())
    assert len({place.specimens for place in PLACES.values()}) == len(PLACES)


@pytest.mark.parametrize("name", PLACES)
def test_mean_compositions_are_fractions(name: str) -> None:
    for unit in UNITS:
        mean = mean_composition(PLACES[name], unit)
        assert mean.sum() == pytest.approx(1)
        assert (mean >= 0).all()


def test_units_are_told_apart_by_their_minerals_but_share_them() -> None:
    means = np.stack([mean_composition(PLACES["iceland"], unit) for unit in UNITS])
    shared = np.minimum(means[:, None], means[None]).sum(axis=-1)
    np.fill_diagonal(shared, 0)
    assert shared.max() < 0.75
    assert (shared.max(axis=1) > 0.1).all()


def test_oman_is_more_serpentinised_than_iceland() -> None:
    serpentine = ENDMEMBERS.index("serpentine")
    fractions = [mean_composition(PLACES[name], "olivine")[serpentine] for name in ("oman", "iceland")]
    assert fractions[0] > fractions[1] + 0.1


def test_units_have_positive_figures() -> None:
    assert tuple(units()) == UNITS
    assert len(UNITS) == 12


def changed(**changes: Any) -> dict[str, Any]:
    return {"iceland": {**CONTENT["iceland"], **changes}}


BAD = {
    "unknown unit": (changed(bedrock={"granite": 1.0}), "`granite` is none of"),
    "unknown endmember": (changed(composition={"basalt": {"biotite": 0.1}}), "`biotite` is none of"),
    "nothing left": (changed(composition={"wollastonite": dict.fromkeys(ENDMEMBERS, -1.0)}), "nothing is left"),
    "coating not whole": (changed(coating={"amount": 0.1, "endmembers": {"soil": 0.4}}), "must sum to 1"),
    "coating everywhere": (changed(coating={"amount": 1.0, "endmembers": {"soil": 1.0}}), "less than 1"),
    "plants on Mars": (changed(planet="mars"), "no plants"),
    "sun below the horizon": (changed(sun={"azimuth": 10, "elevation": -3}), "greater than 0"),
    "unknown key": (changed(moons=2), "unknown key `moons`"),
    "no mapping": ({"iceland": None}, "iceland"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_refused_in_one_sentence(case: str, tmp_path: Path) -> None:
    content, message = BAD[case]
    path = tmp_path / "places.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(SurveyError, match=message) as caught:
        load_places(path)
    assert "\n" not in str(caught.value)
    assert "iceland" in str(caught.value)
