"""What rungs cost: sums of a known table, each sensor once, and what is not known is said, not guessed."""

import csv
from dataclasses import replace
from typing import Any

import pytest
from conftest import PROJECT

from outcrop.errors import SurveyError
from outcrop.field.sensor_costs import QUANTITIES, Declared, declared_costs, rung_cost, sensor_figure
from outcrop.record.digests import digest_value
from outcrop.settings import build
from outcrop.survey.surveys import Survey, load_survey

TABLE = PROJECT / "outcrop" / "field" / "sensor_costs.csv"
MODALITIES = ("rgb", "multispectral", "hyperspectral", "thermal", "gamma", "elevation", "magnetic")
CLASSES = [{"name": name, "colour": "#808080"} for name in ("basalt", "tuff")]
MEASURED = {"unit": "1", "range": [0, 1]}


def survey(**modalities: dict[str, Any]) -> Survey:
    values = {"survey": "s", "classes": CLASSES, "modalities": modalities, "sites": {"a": {}}}
    return build(Survey, values, "survey.yaml", SurveyError)


def rows() -> list[dict[str, str]]:
    return list(csv.DictReader(line for line in TABLE.read_text().splitlines() if not line.startswith("#")))


def test_every_figure_lies_within_its_bounds_and_has_a_source() -> None:
    assert {(row["modality"], row["quantity"]) for row in rows()} == {(m, q) for m in MODALITIES for q in QUANTITIES}
    for row in rows():
        assert 0 < float(row["low"]) <= float(row["typical"]) <= float(row["high"])
        assert any(word in row["source"] for word in ("(read)", "from memory, check", "rough figure"))


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_a_rung_costs_the_sum_of_its_sensors(quantity: str) -> None:
    rung = ("rgb", "thermal", "hyperspectral")
    found = getattr(rung_cost(rung), quantity)
    for name in ("typical", "low", "high"):
        expected = [float(row[name]) for row in rows() if row["modality"] in rung and row["quantity"] == quantity]
        assert getattr(found, name) == pytest.approx(sum(expected)) and len(expected) == 3
    assert {figure.sensor for figure in found.figures} == set(rung)


def test_a_sensor_that_nobody_knows_leaves_the_sum_open_and_is_named() -> None:
    found = rung_cost(("rgb", "radar", "sonar"), {"radar": Declared(power_w=20), "sonar": Declared(power_w=5)})
    assert found.power_w.typical == pytest.approx(11.8 + 25)
    assert (found.price_usd, found.unknown) == (None, {"power_w": (), "price_usd": ("radar", "sonar")})


def test_a_survey_knows_its_sensors_better() -> None:
    own = survey(rgb={**MEASURED, "power_w": 2.5, "price_usd": 0}, thermal=MEASURED)
    found = rung_cost(("rgb", "thermal"), declared_costs(own))
    assert (found.power_w.typical, found.power_w.low, found.power_w.high) == (7.5, 4.0, 14.5)
    assert found.price_usd.typical == 8000
    assert found.power_w.figures[0].source == "the survey file"


DERIVED = survey(
    multispectral=MEASURED,
    rgb={"from": "multispectral", "bands": ["B04"]},
    elevation=MEASURED,
    slope={"from": "elevation", "measure": "slope"},
    steepest={"from": "slope", "bands": ["slope"]},
    radar=MEASURED,
    texture={"from": "radar", "measure": "roughness"},
    canopy={**MEASURED, "carried_by": "elevation"},
    thermal={**MEASURED, "carried_by": "multispectral"},
    visible={"from": "multispectral", "bands": ["B04"], "carried_by": "multispectral"},
)
#: Rung, and whose sensors are carried for it.
CARRIED = [
    (("rgb",), {"rgb"}),
    (("rgb", "multispectral"), {"rgb", "multispectral"}),
    (("slope",), {"elevation"}),
    (("slope", "steepest", "elevation", "rgb"), {"elevation", "rgb"}),
    (("canopy",), {"elevation"}),
    (("canopy", "elevation", "slope"), {"elevation"}),
    (("thermal", "visible"), {"multispectral"}),
]


@pytest.mark.parametrize(("rung", "carried"), CARRIED)
def test_a_sensor_counts_once_for_all_that_it_gives(rung: tuple[str, ...], carried: set[str]) -> None:
    found = rung_cost(rung, declared_costs(DERIVED))
    assert {figure.sensor for figure in found.power_w.figures} == carried
    assert found.power_w.typical == rung_cost(sorted(carried)).power_w.typical


def test_what_is_derived_from_the_unknown_is_unknown_unless_declared() -> None:
    assert rung_cost(["texture"], declared_costs(DERIVED)).unknown == {
        "power_w": ("texture",),
        "price_usd": ("texture",),
    }
    declared = declared_costs(DERIVED) | {"radar": Declared(power_w=20)}
    assert sensor_figure("texture", "power_w", declared).sensor == "radar"
    declared["texture"] = replace(declared["texture"], power_w=1)
    assert rung_cost(["texture", "radar"], declared).power_w.typical == 21


BAD = [
    ({"power_w": -1}, "modalities.rgb.*power_w"),
    ({"price_usd": -0.01}, "modalities.rgb.*price_usd"),
    ({"power_w": "much"}, "modalities.rgb.*power_w"),
    ({"power_w": float("inf")}, "modalities.rgb.*power_w"),
    ({"watts": 3}, "watts"),
    ({"carried_by": "plane"}, "modalities.rgb is carried by `plane`, which is no sensor of its own"),
    ({"carried_by": "slope"}, "modalities.rgb is carried by `slope`, which is no sensor of its own"),
    ({"carried_by": "rgb"}, "modalities.rgb is carried by `rgb`, which is no sensor of its own"),
]


@pytest.mark.parametrize(("entry", "message"), BAD)
@pytest.mark.parametrize("kind", [MEASURED, {"from": "thermal", "bands": ["b"]}])
def test_impossible_costs_are_refused(entry: dict[str, Any], message: str, kind: dict[str, Any]) -> None:
    with pytest.raises(SurveyError, match=message):
        survey(rgb={**kind, **entry}, thermal=MEASURED, slope={"from": "thermal", "measure": "slope"})


def test_a_new_price_makes_no_new_site_and_trains_no_model_again() -> None:
    """What a step or an ingest is keyed by is dumped; figures of cost are not."""
    plain, priced = survey(rgb=MEASURED), survey(rgb={**MEASURED, "power_w": 3, "price_usd": 900})
    keys = [digest_value(each.model_dump(mode="json")) for each in (plain, priced)]
    assert keys[0] == keys[1]


@pytest.mark.parametrize("name", ["mars", "neon", "diamantina", "simulated"])
def test_every_rung_of_the_shipped_surveys_is_known(name: str) -> None:
    shipped, _ = load_survey(PROJECT / "data" / "surveys" / f"{name}.yaml", PROJECT / "params.yaml")
    assert rung_cost(shipped.modalities, declared_costs(shipped)).unknown == {"power_w": (), "price_usd": ()}
