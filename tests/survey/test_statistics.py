"""Running statistics of bands, against numpy on all pixels together."""

from pathlib import Path

import numpy as np
import pytest
from affine import Affine

from outcrop.survey.grids import Grid, Nesting
from outcrop.survey.sites import Band, Raster
from outcrop.survey.statistics import Moments


def plain_raster(bands: int) -> Raster:
    grid = Grid(1, 1, Affine.identity())
    names = tuple(Band(str(index)) for index in range(bands))
    return Raster("m", Path("m.tif"), grid, Nesting(), names, "1", "float32", None)


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_moments_are_numpys_on_all_pieces_together(offset: float) -> None:
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
    raster = plain_raster(4)
    moments = Moments.of(raster, (offset - 3, offset + 3))
    for piece in pieces:
        moments.add(piece)
    flat = np.concatenate([piece.reshape(4, -1) for piece in pieces], axis=1).astype(np.float64)
    *rows, empty = moments.statistics("s", "c", raster)
    for row, values in zip(rows, flat, strict=False):
        seen = values[~np.isnan(values)]
        assert row.nodata_share == pytest.approx(np.isnan(values).mean())
        assert row.outside_share == pytest.approx(np.mean(np.abs(seen - offset) > 3))
        assert (row.minimum, row.maximum) == (seen.min(), seen.max())
        assert (row.mean, row.std) == (pytest.approx(seen.mean(), rel=1e-12), pytest.approx(seen.std(), rel=1e-7))
    assert (empty.nodata_share, empty.outside_share) == (1, 0)
    assert (empty.minimum, empty.maximum, empty.mean, empty.std) == (None, None, None, None)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6, -3e-5, np.nan])
def test_a_constant_or_empty_band_is_divided_by_one(value: float) -> None:
    moments = Moments.of(plain_raster(1))
    for side in (3, 7, 200):
        moments.add(np.full((1, side, side), value, np.float32))
    normalisation = moments.normalisation()
    assert normalisation.std == (1.0,)
    assert normalisation.mean == (pytest.approx(0.0 if np.isnan(value) else np.float32(value)),)
