"""Bands of raw rasters: which are taken, what they are called, and whose wavelengths count."""

from typing import Any

import numpy as np
import pytest
import rasterio
from conftest import TinySurvey, write_geotiff
from rawfiles import CELLS, lay, stored

from outcrop.errors import DataError, OutcropError, SurveyError
from outcrop.survey.sites import Band


@pytest.mark.parametrize(
    ("taken", "bands"),
    [([3], [3]), (["2-4"], [2, 3, 4]), ([4, "1-2"], [4, 1, 2])],
)
@pytest.mark.parametrize("several", [False, True])
def test_bands_are_taken_by_number(taken: list[Any], bands: list[int], several: bool, tiny_survey: TinySurvey) -> None:
    files = [str(write_geotiff(tiny_survey.raw / "a.tif", CELLS).relative_to(tiny_survey.raw))]
    if several:
        write_geotiff(tiny_survey.raw / "a.tif", CELLS[:3])
        files.append(str(write_geotiff(tiny_survey.raw / "b.tif", CELLS[3:]).relative_to(tiny_survey.raw)))
    raster = lay(tiny_survey, tiny_survey.raw / "a.tif", files=files, take=taken)
    np.testing.assert_array_equal(stored(raster), CELLS[[band - 1 for band in bands]])
    assert [band.name for band in raster.bands] == [str(band) for band in bands]


def test_bands_are_the_surveys_and_wavelengths_the_files(tiny_survey: TinySurvey) -> None:
    path = write_geotiff(tiny_survey.raw / "a.tif", CELLS[:2])
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(2, ns="IMAGERY", CENTRAL_WAVELENGTH_UM="0.5")
    sensor = {"sensor": "sentinel2", "bands": ["B04", "B02"]}
    red, blue = lay(tiny_survey, path, **sensor).bands
    assert red == Band("B04", 0.6646, red.fwhm_um) and red.fwhm_um is not None
    assert (blue.name, blue.centre_um) == ("B02", 0.5) and blue.fwhm_um is not None
    assert lay(tiny_survey, path, bands=["a", "b"]).bands == (Band("a"), Band("b", 0.5))
    assert lay(tiny_survey, path).bands == (Band("1"), Band("2", 0.5))


@pytest.mark.parametrize(
    ("table", "names"),
    [("band,centre_um,fwhm_um\nx,0.4,0.01\ny,0.5,0.02", "xy"), ("fwhm_um,centre_um\n0.01,0.4\n0.02,0.5\n", "ab")],
)
def test_a_table_of_wavelengths_comes_before_the_files(table: str, names: str, tiny_survey: TinySurvey) -> None:
    path = write_geotiff(tiny_survey.raw / "a.tif", CELLS[:2])
    with rasterio.open(path, "r+") as dataset:
        dataset.descriptions = ("a", "b")
        dataset.update_tags(2, ns="IMAGERY", CENTRAL_WAVELENGTH_UM="0.7")
    (tiny_survey.raw / "bands.csv").write_text(table)
    bands = lay(tiny_survey, path, wavelengths="bands.csv").bands
    assert bands == (Band(names[0], 0.4, 0.01), Band(names[1], 0.5, 0.02))


HEAD = "band,centre_um,fwhm_um\n"
BAD: dict[str, tuple[dict[str, Any], str, type[OutcropError], str]] = {
    "band beyond": ({"take": ["3-5"]}, "", SurveyError, "`take` names band 5, the raster has 4"),
    "band twice": ({"take": [2, "1-3"]}, "", SurveyError, "`take` names band 2 twice, the raster has 4"),
    "backwards": ({"take": [1, "3-2"]}, "", SurveyError, "`take` names the empty range 3-2"),
    "too few names": ({"take": [1], "bands": ["a", "b"]}, "", SurveyError, "has 1 bands, `bands` .* names 2"),
    "short table": ({}, HEAD + "a,0.4,0.01", SurveyError, "has 4 bands, the table `bands.csv` .* names 1"),
    "no column": ({}, "band,centre\na,0.4", SurveyError, "no column `centre_um`, only band, centre"),
    "no number": ({}, HEAD + "a,0.4,0.01\nb,red,0.01", DataError, "line 3 has `red` as centre_um"),
    "nanometres below zero": ({}, HEAD + "a,-400,10", DataError, "line 2 has `-400` as centre_um"),
    "a name twice": ({}, HEAD + "a,0.4,0.1\na,0.5,0.1", SurveyError, "two bands have the same name"),
}


@pytest.mark.parametrize("name", BAD)
def test_bands_that_do_not_fit_are_one_sentence(name: str, tiny_survey: TinySurvey) -> None:
    modality, table, error, message = BAD[name]
    path = write_geotiff(tiny_survey.raw / "a.tif", CELLS)
    if table:
        (tiny_survey.raw / "bands.csv").write_text(table)
        modality = {**modality, "wavelengths": "bands.csv"}
    with pytest.raises(error, match=message) as caught:
        lay(tiny_survey, path, **modality)
    text = str(caught.value)
    assert str(tiny_survey.raw) in text and ";" in text and "\n" not in text and text.endswith(".")
    assert list(tiny_survey.destination.iterdir()) == []


def test_bands_of_different_scales_need_the_surveys(tiny_survey: TinySurvey) -> None:
    path = write_geotiff(tiny_survey.raw / "a.tif", CELLS)
    with rasterio.open(path, "r+") as dataset:
        dataset.scales = (1, 2, 3, 4)
    with pytest.raises(SurveyError, match="the bands have different scales"):
        lay(tiny_survey, path)
    assert lay(tiny_survey, path, scale=0.5).scale == 0.5
