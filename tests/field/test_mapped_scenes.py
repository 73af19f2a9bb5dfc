"""A scene is compared with what the model was trained on before anything is mapped."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from conftest import write_geotiff
from rasterio.enums import ColorInterp

from outcrop.errors import OutcropError
from outcrop.field.profiles import BandProfile, ClassProfile, ModalityProfile, ModelProfile
from outcrop.field.scenes import open_scene
from outcrop.field.windows import SceneWindow
from outcrop.survey.blocks import Tile

NAMES, CENTRES = ("red", "green", "blue"), (0.66, 0.56, 0.48)
PIXELS = np.arange(3 * 24 * 20, dtype=np.uint8).reshape(3, 24, 20) % 200 + 1


def modality(name: str, **changes: Any) -> ModalityProfile:
    bands = tuple(BandProfile(name=n, centre_um=c, fwhm_um=0.04) for n, c in zip(NAMES, CENTRES, strict=True))
    values: dict[str, Any] = {"bands": bands, "unit": "1", "side": 12, "fine": 4, "coarse": 1, "pixel_m": (2.5, 2.5)}
    return ModalityProfile(name=name, mean=(1.0,) * 3, std=(1.0,) * 3, **(values | changes))


def model_of(*inputs: ModalityProfile) -> ModelProfile:
    classes = (ClassProfile(name="rock", colour="#000000"),)
    return ModelProfile(survey="s", role="student", classes=classes, footprint=3, inputs=inputs, tile=64, channels=8)


RGB = model_of(modality("rgb"))
BOTH = model_of(modality("rgb"), modality("cube", fine=1, side=3, pixel_m=None))


def raster(folder: Path, pixels: Any = PIXELS, names: Any = NAMES, cell: float = 2.5, **profile: Any) -> Path:
    path = write_geotiff(folder / "ortho.tif", pixels, cell=cell, **profile)
    with rasterio.open(path, "r+") as dataset:
        if names:
            dataset.descriptions = names
    return path


def item(folder: Path, **changes: Any) -> Path:
    """A STAC item of a scene with RGB and a cube; ``changes`` go into its RGB."""
    raster(folder)
    write_geotiff(folder / "cube.tif", PIXELS[:, :6, :5], cell=10.0)
    bands = [{"name": n, "eo:center_wavelength": c} for n, c in zip(NAMES, CENTRES, strict=True)]
    asset = {"href": "./ortho.tif", "proj:shape": [24, 20], "proj:transform": [2.5, 0, 0, 0, -2.5, 0]}
    asset |= {"bands": bands, "data_type": "uint8", "unit": "1", "roles": ["data"]}
    assets = {"rgb": asset | changes, "cube": asset | {"href": "./cube.tif", "proj:shape": [6, 5]}}
    properties = {"start_datetime": "2024-07-01T00:00:00Z", "end_datetime": "2024-07-01T00:00:00Z", "proj:code": None}
    content = {"type": "Feature", "id": "scene", "properties": properties, "assets": assets}
    path = folder / "scene.json"
    path.write_text(json.dumps(content))
    return path


def band(name: str, centre: float) -> dict[str, Any]:
    return {"name": name, "eo:center_wavelength": centre}


def empty(folder: Path) -> Path:
    (folder / "ortho.tif").write_bytes(b"")
    return folder / "ortho.tif"


def without(name: str, folder: Path) -> Path:
    path = item(folder)
    content = json.loads(path.read_text())
    del content["assets"][name]
    path.write_text(json.dumps(content))
    return path


FOUR = np.concatenate([PIXELS, PIXELS[:1]])
BAD: dict[str, tuple[ModelProfile, Callable[[Path], Path], str]] = {
    "no file": (RGB, lambda f: f / "none.tif", "there is no such scene"),
    "no GeoTIFF": (RGB, empty, "not a readable GeoTIFF"),
    "not JSON": (RGB, lambda f: (f / "a.json").write_text("{") and f / "a.json", "not valid JSON"),
    "no scene": (RGB, lambda f: (f / "a.json").write_text("{}") and f / "a.json", "`type` is missing"),
    "one raster for two modalities": (BOTH, raster, "give a STAC item that has rgb, cube"),
    "too few bands": (RGB, lambda f: raster(f, PIXELS[:1], None), "has 1 bands, the model needs 3: red, green, blue"),
    "too many bands": (RGB, lambda f: raster(f, FOUR, None, photometric="MINISBLACK"), "such as --bands 1,2,3"),
    "other bands": (RGB, lambda f: raster(f, names=("nir", "green", "blue")), "has no band red"),
    "other pixels": (RGB, lambda f: raster(f, cell=10.0), "pixels of 10 m, the model was trained with 2.5 m"),
    "rotated": (RGB, lambda f: raster(f, transform=Affine(2.5, 0.1, 0, 0.1, -2.5, 0)), "the raster is rotated"),
    "modality missing": (BOTH, lambda f: without("cube", f), "the scene has no cube"),
    "raster missing": (RGB, lambda f: item(f, href="./none.tif"), "not a readable GeoTIFF"),
    "link leads out": (RGB, lambda f: item(f, href="../ortho.tif"), "inside the site's folder"),
    "band missing": (RGB, lambda f: item(f, bands=[band("red", 0.66)]), "no band green"),
    "other wavelength": (
        RGB,
        lambda f: item(f, bands=[band("red", 0.76), band("green", 0.56), band("blue", 0.48)]),
        "band red of the scene's rgb lies at 0.76 um, the model was trained with 0.66 um",
    ),
    "other unit": (RGB, lambda f: item(f, unit="reflectance"), "is in `reflectance`, the model was trained with `1`"),
    "other ratio": (
        model_of(modality("rgb"), modality("cube", fine=2, side=6, pixel_m=None)),
        item,
        "has 1 pixels along a cell, the model was trained with 2",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_one_sentence(case: str, tmp_path: Path) -> None:
    profile, make, expected = BAD[case]
    with pytest.raises(OutcropError) as error:
        open_scene(make(tmp_path), profile)
    assert expected in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("wrong", [(1, 2), (1, 2, 4)])
def test_bands_that_are_chosen_must_exist(wrong: tuple[int, ...], tmp_path: Path) -> None:
    with pytest.raises(OutcropError, match="has 3 bands, the model needs 3"):
        open_scene(raster(tmp_path), RGB, wrong)


@pytest.mark.parametrize(
    ("names", "bands", "indexes"),
    [
        (NAMES, (), (1, 2, 3)),
        (("blue", "green", "red"), (), (3, 2, 1)),
        (None, (), (1, 2, 3)),
        (None, (2, 3, 1), (2, 3, 1)),
    ],
)
def test_bands_are_taken_by_their_names(names: Any, bands: Any, indexes: Any, tmp_path: Path) -> None:
    scene = open_scene(raster(tmp_path, names=names), RGB, bands)
    seen = SceneWindow(scene, 1, Tile(0, 0, 6, 5)).tile(Tile(1, 2, 2, 3))["rgb"][1]
    np.testing.assert_array_equal(seen, PIXELS[[index - 1 for index in indexes], 4:12, 8:20])
    assert bool(scene.notes) == (indexes != (1, 2, 3))


def test_where_the_alpha_band_is_zero_there_is_nothing(tmp_path: Path) -> None:
    alpha = np.full((1, 24, 20), 255, dtype=np.uint8)
    alpha[0, 5, 6] = 0
    path = raster(tmp_path, np.concatenate([PIXELS, alpha]), None)
    with rasterio.open(path, "r+") as dataset:
        dataset.colorinterp = (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha)
    seen = SceneWindow(open_scene(path, RGB), 1, Tile(0, 0, 6, 5)).tile(Tile(0, 0, 6, 5))["rgb"][1]
    assert np.argwhere(np.isnan(seen)).tolist() == [[0, 5, 6], [1, 5, 6], [2, 5, 6]]


def test_the_base_grid_is_that_of_the_cells(tmp_path: Path) -> None:
    scene = open_scene(item(tmp_path), BOTH)
    assert (scene.grid.height, scene.grid.width, scene.grid.transform.a) == (6, 5, 10.0)
    assert scene.acquired == ("2024-07-01T00:00:00Z", "2024-07-01T00:00:00Z")


@pytest.mark.parametrize("compress", ["deflate", "lzw", "zstd"])
def test_a_block_that_does_not_decode_is_told(compress: str, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(1, 200, (3, 64, 64)).astype(np.uint8)
    path = raster(tmp_path, pixels, compress=compress)
    scene, content = open_scene(path, RGB), bytearray(path.read_bytes())
    content[len(content) // 4 : 3 * len(content) // 4] = b"\xff" * (3 * len(content) // 4 - len(content) // 4)
    path.write_bytes(content)
    with pytest.raises(OutcropError, match=r"the raster cannot be read .*ortho.tif, rows"):
        SceneWindow(scene, 1, Tile(0, 0, 16, 16))
