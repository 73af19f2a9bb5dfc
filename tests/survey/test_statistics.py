"""Running statistics of bands and labels, against numpy on all pixels together."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from conftest import write_geotiff

from outcrop.survey.grids import Grid, Nesting
from outcrop.survey.sites import Band, Raster
from outcrop.survey.statistics import BandTally, LabelTally, Moments, blank_bands


def plain_raster(bands: int, **changes: object) -> Raster:
    grid = Grid(1, 1, Affine.identity())
    names = tuple(Band(str(index)) for index in range(bands))
    return replace(Raster("m", Path("m.tif"), grid, Nesting(), names, "1", "float32", None), **changes)


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_a_tally_is_numpys_on_all_pieces_together(offset: float) -> None:
    rng = np.random.default_rng(0)
    pieces = [
        (offset + rng.normal(rng.normal(0, 5), 2, (4, *shape))).astype(np.float32)
        for shape in [(3, 5), (1, 1), (7, 2), (1, 9)]
    ]
    for piece in pieces:
        piece[:2, rng.random(piece.shape[1:]) < 0.3] = np.nan
    pieces[2][0] = np.nan
    for piece in pieces:
        piece[3] = np.nan  # a band without any data
    tally = BandTally(plain_raster(4), (offset - 3, offset + 3))
    for piece in pieces:
        tally.add(piece)
    flat = np.concatenate([piece.reshape(4, -1) for piece in pieces], axis=1).astype(np.float64)
    found = tally.columns()
    for index, values in enumerate(flat[:3]):
        seen = values[~np.isnan(values)]
        slack = 1e-6 * (offset + 3)
        expected = {
            "pixels": values.size,
            "nodata_share": np.isnan(values).mean(),
            "outside_share": np.mean(np.abs(seen - offset) > 3 + slack),
            "saturated_share": np.mean(seen - offset >= 3 - slack),
            "minimum": seen.min(),
            "maximum": seen.max(),
            "mean": seen.mean(),
        }
        assert {name: found[name][index] for name in expected} == pytest.approx(expected, rel=1e-12)
        assert found["std"][index] == pytest.approx(seen.std(), rel=1e-7)
    assert (found["nodata_share"][3], found["outside_share"][3], found["saturated_share"][3]) == (1, 0, 0)
    assert all(np.isnan(found[name][3]) for name in ("minimum", "maximum", "mean", "std"))


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6, -3e-5, np.nan])
def test_a_constant_or_empty_band_is_divided_by_one(value: float) -> None:
    moments = Moments.of(plain_raster(1))
    for side in (3, 7, 200):
        moments.add(np.full((1, side, side), value, np.float32))
    normalisation = moments.normalisation()
    assert normalisation.std == (1.0,)
    assert normalisation.mean == (pytest.approx(0.0 if np.isnan(value) else np.float32(value)),)


@pytest.mark.parametrize(
    ("layout", "limits", "values", "saturated", "outside"),
    [
        ({"dtype": "uint8"}, (0, 255), [0, 254, 255, 255], 0.5, 0),
        ({"dtype": "uint8"}, (0, 1000), [0, 254, 255, 255], 0.5, 0),  # all that a byte can hold
        ({"dtype": "uint8"}, (0, 200), [0, 199, 200, 255], 0.5, 0.25),
        ({"dtype": "int16", "scale": -0.5}, (-20_000, 20_000), [0, 16_384, 1, 2], 0.25, 0),
        ({"dtype": "float32"}, (0, 1), [0, 0.5, 1, np.nan], 1 / 3, 0),
        ({"dtype": "uint16", "scale": 1e-4}, (0, 0.7), [*(np.float32(7000) * np.float32([1e-4])), 0, 0, 0], 0.25, 0),
        ({"dtype": "float32"}, (-np.inf, np.inf), [0, 1e30, 1, 2], 0, 0),
    ],
)
def test_the_highest_value_is_that_of_the_range_or_of_the_type(
    layout: dict[str, object], limits: tuple[float, float], values: list[float], saturated: float, outside: float
) -> None:
    tally = BandTally(plain_raster(1, **layout), limits)
    tally.add(np.array([[values]], np.float32))
    found = tally.columns()
    assert (found["saturated_share"][0], found["outside_share"][0]) == (pytest.approx(saturated), outside)


def test_a_duplicate_is_equal_in_every_block() -> None:
    rng = np.random.default_rng(1)
    tally = BandTally(plain_raster(7), (-9, 9))
    for block in range(3):
        first, other = rng.normal(0, 1, (2, 4, 5)).astype(np.float32)
        nearly = first + np.float32(1e-6) * (block == 2)
        flat, empty = np.ones_like(first), np.full_like(first, np.nan)
        tally.add(np.stack([first, other, first.copy(), nearly, flat, flat, empty]))
    assert tally.columns()["duplicate_of"].tolist() == ["", "", "0", "", "", "", ""]


def test_labels_are_counted_and_who_loses_them_is_named() -> None:
    rng = np.random.default_rng(2)
    labels = rng.choice(np.array([0, 1, 2, 255], np.uint8), (3, 6, 7))
    usable, day, night = rng.random((3, 3, 6, 7)) < 0.7
    tally = LabelTally(("a", "b", "c"), ("day", "night"))
    for piece in range(3):
        tally.add(labels[piece], usable[piece], {"day": day[piece], "night": night[piece]})
    found = tally.columns()
    assert found["class"].tolist() == ["a", "b", "c"]
    for name, cells in {
        "labelled": np.ones_like(usable),
        "usable": usable,
        "lost": ~(day & night),
        "lost_in_day": ~day,
        "lost_in_night": ~night,
    }.items():
        assert found[name].tolist() == [((labels == value) & cells).sum() for value in range(3)]


@pytest.mark.parametrize(("dtype", "nodata"), [("int16", -1), ("float32", float("nan")), ("float32", -9.0)])
def test_the_band_to_blame_for_an_empty_modality(dtype: str, nodata: float, tmp_path: Path) -> None:
    values = np.ones((3, 5, 6), dtype)
    values[1] = nodata
    values[2, 1:] = nodata
    path = write_geotiff(tmp_path / "m.tif", values, nodata=nodata)
    with rasterio.open(path) as dataset:
        grid = Grid(dataset.height, dataset.width, dataset.transform)
    raster = plain_raster(3, path=path, grid=grid, dtype=dtype, nodata=nodata)
    assert blank_bands(raster).tolist() == [False, True, False]
