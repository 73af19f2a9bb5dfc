"""The README's own survey, with raw files as a field team has them: its commands do what it says."""

import json
import re
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
import yaml
from affine import Affine
from benches import Bench, Caller
from clouds import write_points
from conftest import CRS, EAST, NORTH, PROJECT, write_geotiff
from shapely.geometry import box

from outcrop.survey.rasters import read_labels, read_window
from outcrop.survey.sites import read_site

SIDE, CELL = 48, 2.0
#: Centres of the cube's bands, micrometres.
CENTRES = np.arange(0.43, 0.95, 0.02)
CELLS = np.add.outer(np.arange(SIDE) // 6, np.arange(SIDE) // 6) % 2


def write_raw_files(folder: Path) -> None:
    """Squares of basalt and calcite, seen by a camera, an imaging spectrometer and a laser scanner."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(1)
    fine = CELLS.repeat(4, 0).repeat(4, 1)
    rgb = np.where(fine, 220, 70) + rng.integers(-9, 9, (3, 4 * SIDE, 4 * SIDE))
    write_geotiff(folder / "ortho.tif", rgb.astype(np.uint8), cell=CELL / 4)
    bright = 500 + 3000 * CELLS + rng.integers(0, 100, (len(CENTRES), SIDE, SIDE))
    layout = {"driver": "ENVI", "count": len(CENTRES), "height": SIDE, "width": SIDE, "dtype": "int16", "crs": CRS}
    with rasterio.open(folder / "cube", "w", transform=Affine(CELL, 0, EAST, 0, -CELL, NORTH), **layout) as cube:
        cube.write(bright.astype(np.int16))
    with (folder / "cube.hdr").open("a") as header:
        header.write(f"wavelength units = Micrometers\nwavelength = {{{', '.join(f'{c:.3f}' for c in CENTRES)}}}\n")
    rows, cols = (index.ravel() for index in np.mgrid[:SIDE, :SIDE])
    x, y = EAST + (cols + 0.5) * CELL, NORTH - (rows + 0.5) * CELL
    ground = 300 + 0.1 * cols + 0.05 * rows
    points = {"x": np.tile(x, 2), "y": np.tile(y, 2), "z": np.concatenate([ground, ground + 2 * CELLS.ravel()])}
    points["classification"] = np.repeat([2, 1], x.size)
    write_points(folder / "cloud.las", points, CRS)
    squares = [(row, col) for row in range(0, SIDE, 6) for col in range(0, SIDE, 6)]
    shapes = [box(EAST + c * CELL, NORTH - (r + 6) * CELL, EAST + (c + 6) * CELL, NORTH - r * CELL) for r, c in squares]
    words = [("Basalt (massive)", "Calcite vein")[CELLS[row, col]] for row, col in squares]
    words[0] = "not visited"
    geopandas.GeoDataFrame({"rock": words}, geometry=shapes, crs=CRS).to_file(folder / "outcrops.gpkg")


@pytest.fixture
def quarry(bench: Bench) -> Bench:
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    found = re.search(r"```yaml\n# data/surveys/quarry\.yaml\n(.*?)```", readme, re.DOTALL)
    assert found is not None
    bench.tiny.entries = yaml.safe_load(found[1]) | {"params": bench.tiny.entries["params"]}
    write_raw_files(bench.tiny.raw / "north")
    bench.write_survey()
    return bench


def test_your_own_data_in_five_minutes(quarry: Bench, call: Caller) -> None:
    said = call(quarry, "ingest", str(quarry.survey))
    assert said.code == 0, said.err
    (scene,) = read_site(quarry.root / "data/sites/north").scenes
    expected = CELLS.copy()
    expected[:6, :6] = 255
    np.testing.assert_array_equal(read_labels(scene, 0, 0, SIDE, SIDE), expected)
    assert set(scene.rasters) == {"rgb", "hyperspectral", "elevation", "multispectral", "slope"}
    assert [band.centre_um for band in scene.rasters["hyperspectral"].bands] == pytest.approx(CENTRES)
    red = read_window(scene.rasters["multispectral"], 0, 0, SIDE, SIDE)[2]
    assert red[CELLS == 1].mean() == pytest.approx(0.355, abs=0.01)
    height = read_window(scene.rasters["elevation"], 0, 0, SIDE, SIDE)[1]
    np.testing.assert_allclose(height, 2.0 * CELLS, atol=1e-3)
    slope = read_window(scene.rasters["slope"], 0, 0, SIDE, SIDE)[0]
    np.testing.assert_allclose(slope, np.degrees(np.arctan(np.hypot(0.1, 0.05) / CELL)), atol=1e-2)
    assert call(quarry, "sites", "show", "north").code == 0
    said = call(quarry, "validate", "--survey", str(quarry.survey), "--json")
    assert said.code == 0, said.err
    assert json.loads(said.out)["survey"] == "quarry"
