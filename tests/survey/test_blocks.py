"""Blocks: windows, halos and whole patches against a brute-force walk over the full rasters."""

import numpy as np
import pytest
from nested import BLOCK, FOOTPRINT, MODALITIES, SITES, Nested
from scipy import ndimage

from outcrop.survey.blocks import Tile, complete_patches, native_window, pixels_of, read_tile, tile_labels, tiles
from outcrop.survey.grids import Nesting
from outcrop.survey.sites import Site


def test_tiles_cover_every_cell_once_and_end_with_the_scene(nested: Nested) -> None:
    for site in nested.sites:
        height, width, _ = SITES[site.name]
        seen = np.zeros((height, width), int)
        for tile in tiles(site.scenes[0], BLOCK):
            part = seen[tile.row : tile.row + tile.height, tile.col : tile.col + tile.width]
            assert part.shape == (tile.height, tile.width)
            part += 1
        assert (seen == 1).all()


def corner_tiles(site: Site) -> list[Tile]:
    found = tiles(site.scenes[0], BLOCK)
    columns = -(-SITES[site.name][1] // BLOCK)
    return [found[0], found[columns - 1], found[columns + 1], found[-1]]


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize("index", range(len(SITES)))
def test_a_tile_holds_the_patch_of_each_of_its_cells(modality: str, index: int, nested: Nested) -> None:
    site, truth = nested.sites[index], nested.truths[index]
    raster = site.scenes[0].rasters[modality]
    for tile in corner_tiles(site):
        window, pixels = read_tile(raster, tile, FOOTPRINT)
        whole = complete_patches(np.isfinite(pixels).all(axis=0), window)
        for row, col in np.ndindex(tile.height, tile.width):
            top, left = window.row_starts[row], window.col_starts[col]
            patch = pixels[:, top : top + window.side, left : left + window.side]
            expected = truth.patch(modality, tile.row + row, tile.col + col)
            np.testing.assert_array_equal(patch, expected)
            assert whole[row, col] == np.isfinite(expected).all()


@pytest.mark.parametrize("modality", MODALITIES)
def test_pixels_of_a_cell_are_those_in_which_it_lies(modality: str, nested: Nested) -> None:
    """Writing each cell's number into its own pixels and reading the tile back finds the cell's own pixels."""
    site = nested.sites[0]
    raster, nesting = site.scenes[0].rasters[modality], nested.truths[0].nestings[modality]
    for tile in corner_tiles(site):
        window, _ = read_tile(raster, tile, FOOTPRINT)
        for row, col in [(0, 0), (tile.height - 1, 0), (tile.height // 2, tile.width - 1)]:
            cells = np.zeros((tile.height, tile.width), bool)
            cells[row, col] = True
            found = np.argwhere(pixels_of(cells, window, nesting)) + np.array([window.row, window.col])
            if nesting.coarse > 1:
                expected = [((tile.row + row + nesting.row) // 3, (tile.col + col + nesting.col) // 3)]
            else:
                first = np.array([tile.row + row, tile.col + col]) * nesting.fine
                expected = [tuple(first + step) for step in np.ndindex(nesting.fine, nesting.fine)]
            assert [tuple(pixel) for pixel in found] == expected


def test_labels_of_a_tile(nested: Nested) -> None:
    for site, truth in zip(nested.sites, nested.truths, strict=True):
        for tile in tiles(site.scenes[0], BLOCK):
            expected = truth.labels[tile.row : tile.row + tile.height, tile.col : tile.col + tile.width]
            np.testing.assert_array_equal(tile_labels(site.scenes[0], tile), expected)


@pytest.mark.parametrize("nesting", [Nesting(), Nesting(fine=2), Nesting(coarse=2, row=1)])
def test_complete_patches_are_those_of_a_minimum_filter(nesting: Nesting) -> None:
    rng, window = np.random.default_rng(4), native_window(nesting, Tile(2, 3, 17, 19), 3)
    pixels = np.where(rng.random((2, window.height, window.width)) < 0.01, np.nan, 1.0).astype(np.float32)
    finite = np.isfinite(pixels).all(axis=0)
    least = ndimage.minimum_filter(finite, size=window.side, mode="constant", origin=-(window.side // 2))
    expected = least[np.ix_(window.row_starts, window.col_starts)]
    assert 0.2 < expected.mean() < 0.95
    np.testing.assert_array_equal(complete_patches(finite, window), expected)
