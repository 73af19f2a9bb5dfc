"""The time series: its order, what can be drawn together, and its chart."""

from datetime import date
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from outcrop.errors import OutcropError
from outcrop.field.carbon.estimates import Range
from outcrop.field.series import Moment, before, comparable
from outcrop.field.series_charts import series_picture


def moment(scene: str, year: int, *, p50: float = 10.0, unit: str = "t CO2", drift: str = "none") -> Moment:
    changed = None if year == 2020 else year % 2 == 0
    return Moment(scene, date(year, 5, 1), "capacity", unit, Range(0.8 * p50, p50, 1.3 * p50), changed, drift, "a" * 64)


def test_dates_must_come_in_order() -> None:
    series = [moment("a", 2020), moment("b", 2022)]
    assert before(series, "c", date(2023, 1, 1), "here") == series
    assert before(series, "b", date(2022, 5, 1), "here") == series[:1], "the last date may be looked at again"
    with pytest.raises(OutcropError, match="scene c is of 2021-01-01, but 2022-05-01 was recorded"):
        before(series, "c", date(2021, 1, 1), "here")


def test_other_units_are_not_drawn_on_one_axis() -> None:
    series = [moment("a", 2020, unit="t CO2 a year"), moment("b", 2021), moment("c", 2022)]
    assert comparable(series, series[-1]) == series[1:]


def pixels(moments: list[Moment]) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(series_picture(moments))))


def test_the_chart_marks_change_and_drift() -> None:
    quiet = [moment("a", 2020), moment("b", 2021, p50=9)]
    calm, odd = pixels(quiet), pixels([quiet[0], moment("b", 2022, p50=9, drift="sensor")])

    def has(image: np.ndarray, colour: tuple[int, int, int]) -> bool:
        return bool((np.abs(image[..., :3].astype(int) - colour).max(axis=2) < 6)[image[..., 3] > 200].any())

    for colour in ((0xC2, 0x40, 0x2A), (0x8A, 0x5A, 0x00)):
        assert has(odd, colour) and not has(calm, colour)
    assert pixels([moment("a", 2020, p50=0.0)]).shape == calm.shape
    assert series_picture(quiet) == series_picture(quiet)
