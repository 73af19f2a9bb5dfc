"""Which rungs a survey has."""

import pytest

from outcrop.errors import ParamsError
from outcrop.learning.rungs import Listed, chain_of, dropped

LISTED: list[Listed] = ["all", ("hyperspectral", "rgb"), ("multispectral", "rgb"), ("rgb",)]


def test_a_survey_with_all_sensors_has_all_rungs() -> None:
    have = ["rgb", "hyperspectral", "multispectral", "gamma"]
    assert [(rung.name, rung.modalities) for rung in chain_of(LISTED, have)] == [
        ("all", ("gamma", "hyperspectral", "multispectral", "rgb")),
        ("hyperspectral+rgb", ("hyperspectral", "rgb")),
        ("multispectral+rgb", ("multispectral", "rgb")),
        ("rgb", ("rgb",)),
    ]
    assert dropped(LISTED, have) == ()


def test_rungs_whose_modalities_are_missing_are_dropped() -> None:
    have = ["rgb", "hyperspectral", "elevation"]
    assert [rung.name for rung in chain_of(LISTED, have)] == ["all", "hyperspectral+rgb", "rgb"]
    assert dropped(LISTED, have) == ("multispectral+rgb",)


def test_any_names_and_any_number_of_rungs() -> None:
    listed: list[Listed] = [(f"m{i}", "x") for i in range(7)]
    chain = chain_of(listed, ["x", *(f"m{i}" for i in range(7))])
    assert [rung.modalities for rung in chain] == listed


@pytest.mark.parametrize(
    ("listed", "have", "message"),
    [
        (LISTED, ["gamma", "hyperspectral"], "`rgb` names a modality that the survey lacks.*gamma, hyperspectral"),
        ([("gamma", "rgb"), ("rgb",)], ["rgb"], "`gamma\\+rgb` names a modality"),
    ],
)
def test_a_chain_without_its_ends_is_refused(listed: list[Listed], have: list[str], message: str) -> None:
    with pytest.raises(ParamsError, match=message):
        chain_of(listed, have)
