"""Pictures show what they were given: known pixels have known colours, and equal input gives equal bytes."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from matplotlib.colors import to_rgb
from numpy.typing import NDArray
from PIL import Image

from outcrop.errors import DataError
from outcrop.field.charts import (
    MODEL_COLOURS,
    SEARCH_COLOURS,
    confusion_picture,
    learning_curves,
    macro_f1_picture,
    search_picture,
)
from outcrop.field.pictures import RIGHT, SPLIT_COLOURS, WRONG, correctness_map, label_map, quicklook, split_map
from outcrop.learning.contenders import Arm, Contender, Result
from outcrop.learning.spaces import Candidate
from outcrop.learning.trials import Outcome
from outcrop.survey.grids import Grid, Nesting
from outcrop.survey.sites import Band, LabelClass, Raster, Scene

CLASSES = (LabelClass("dunite", 0, "#204080"), LabelClass("$1_{moss", 1, "#e0c010"))
GRID = Grid(40, 40, Affine(2, 0, 400000, 0, -2, 6000000), "EPSG:32632")
VISIBLE = (Band("blue", 0.48), Band("green", 0.56), Band("red", 0.66), Band("nir", 0.86))


def decode(png: bytes) -> NDArray[np.uint8]:
    """(H, W, 4) of a PNG."""
    return np.asarray(Image.open(BytesIO(png)).convert("RGBA"))


def share(image: NDArray[np.uint8], colour: str) -> float:
    """How much of the picture has exactly this colour."""
    wanted = np.round(np.array(to_rgb(colour)) * 255)
    return float(((image[..., :3] == wanted).all(axis=-1) & (image[..., 3] == 255)).mean())


def store(path: Path, values: NDArray, nodata: float | None = None) -> Path:
    bands, height, width = values.shape
    profile = {"driver": "GTiff", "count": bands, "height": height, "width": width, "dtype": values.dtype}
    with rasterio.open(path, "w", **profile, nodata=nodata, crs=GRID.crs, transform=GRID.transform) as target:
        target.write(values)
    return path


def raster(path: Path, values: NDArray, bands: tuple[Band, ...], **fields: object) -> Raster:
    nodata = fields.pop("nodata", None)
    stored = store(path, values, nodata)  # type: ignore[arg-type]
    return Raster("rgb", stored, GRID, Nesting(), bands, "K", str(values.dtype), nodata, **fields)  # type: ignore[arg-type]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    labels = np.zeros((1, 40, 40), np.uint8)
    labels[:, :, 20:] = 1
    split = np.repeat([1, 2, 3, 0], 10).astype(np.uint8)[None, :, None].repeat(40, axis=2)
    return Scene("north", GRID, {}, store(tmp_path / "l.tif", labels, 255), store(tmp_path / "s.tif", split))


def test_a_quicklook_shows_the_bands_nearest_to_red_green_and_blue(tmp_path: Path) -> None:
    values = np.zeros((4, 40, 40), np.uint16)
    values[2, :, 20:] = 1000  # red in the right half
    values[0, 20:] = 1000  # blue in the lower half
    image = decode(quicklook(raster(tmp_path / "a.tif", values, VISIBLE), max_side=400))
    assert image.shape[1] == 400
    assert [tuple(image[y, x]) for y, x in ((100, 100), (100, 300), (300, 100), (300, 300))] == [
        (0, 0, 0, 255), (255, 0, 0, 255), (0, 0, 255, 255), (255, 0, 255, 255),
    ]  # fmt: skip


def test_a_sensor_that_sees_no_colours_is_spread_over_its_spectrum(tmp_path: Path) -> None:
    thermal = tuple(Band(f"t{index}", 8.0 + index) for index in range(5))
    values = np.zeros((5, 40, 40), np.float32)
    values[4, :20] = 1  # the longest wavelength is shown as red
    image = decode(quicklook(raster(tmp_path / "a.tif", values, thermal), max_side=400))
    assert tuple(image[100, 200]) == (255, 0, 0, 255)


def test_without_wavelengths_the_first_three_bands_are_shown(tmp_path: Path) -> None:
    values = np.zeros((4, 40, 40), np.float32)
    values[1, :20] = 1
    unknown = tuple(Band(name) for name in ("K", "U", "Th", "total"))
    image = decode(quicklook(raster(tmp_path / "a.tif", values, unknown), max_side=400))
    assert tuple(image[100, 200]) == (0, 255, 0, 255)


def test_one_band_is_stretched_between_its_percentiles(tmp_path: Path) -> None:
    values = np.linspace(0, 1, 1600, dtype=np.float32).reshape(1, 40, 40)
    image = decode(quicklook(raster(tmp_path / "a.tif", values, (Band("$t"),), offset=273.0), max_side=400))
    assert tuple(image[1, 1, :3]) == (68, 1, 84)  # the two ends of viridis
    assert tuple(image[398, 398, :3]) == (253, 231, 36)


@pytest.mark.parametrize("nodata", [float("nan"), -9999.0])
def test_pixels_without_data_show_the_ground(tmp_path: Path, nodata: float) -> None:
    values = np.random.default_rng(0).uniform(1, 2, (3, 40, 40)).astype(np.float32)
    values[:, :20] = nodata
    image = decode(quicklook(raster(tmp_path / "a.tif", values, VISIBLE[:3], nodata=nodata), max_side=400))
    assert image[:195, :, 3].mean() < 128 < image[205:395, :, 3].min()


def test_a_raster_without_any_data_is_still_drawn(tmp_path: Path) -> None:
    image = decode(quicklook(raster(tmp_path / "a.tif", np.full((1, 40, 40), -1.0), (Band("t"),), nodata=-1.0)))
    assert image.shape[1] == 512


def test_a_large_raster_is_read_decimated(tmp_path: Path) -> None:
    values = np.zeros((3, 900, 600), np.uint8)
    values[0, 450:] = 200
    image = decode(quicklook(raster(tmp_path / "a.tif", values, VISIBLE[:3]), max_side=300))
    assert image.shape[0] > 300
    assert tuple(image[250, 100, :3]) == (0, 0, 255)


def test_a_label_map_has_the_colours_of_the_vocabulary(scene: Scene) -> None:
    image = decode(label_map(scene, CLASSES, max_side=400))
    assert tuple(image[200, 100, :3]) == (0x20, 0x40, 0x80)
    assert tuple(image[200, 300, :3]) == (0xE0, 0xC0, 0x10)


def test_a_split_map_tells_the_splits_apart(scene: Scene) -> None:
    image = decode(split_map(scene, max_side=400))
    for row, split in ((50, "train"), (150, "val"), (250, "test")):
        assert tuple(image[row, 200, :3]) == tuple(round(part * 255) for part in to_rgb(SPLIT_COLOURS[split]))
    assert image[350, 200, 3] < 200


def test_right_cells_are_right_and_wrong_cells_wrong() -> None:
    labels = np.zeros((40, 40), np.uint8)
    prediction = labels.copy()
    prediction[:, 20:] = 1
    image = decode(correctness_map(prediction, labels, CLASSES, max_side=400))
    shown = image[:, -400:]  # the last of three maps
    assert tuple(shown[200, 100, :3]) == tuple(round(part * 255) for part in to_rgb(RIGHT))
    assert tuple(shown[200, 300, :3]) == tuple(round(part * 255) for part in to_rgb(WRONG))
    assert tuple(image[200, 200, :3]) == (0x20, 0x40, 0x80)  # the first: the labels


def test_the_map_is_cropped_to_the_scored_cells() -> None:
    labels, prediction = np.full((2, 500, 300), 255, np.uint8)
    labels[100:120, 50:90] = 0
    prediction[100:110] = 0
    image = decode(correctness_map(prediction, labels, CLASSES, max_side=400))
    assert image.shape[1] == 400  # wide maps are stacked
    assert share(image, RIGHT) > 0.19  # 10 x 40 cells fill the last of the three maps
    assert share(image, WRONG) < 0.01  # the key alone


def test_a_drawn_cell_is_what_most_of_its_cells_are() -> None:
    labels = np.zeros((900, 900), np.uint8)
    prediction = np.zeros((900, 900), np.uint8)
    prediction[::3, ::3] = 1
    image = decode(correctness_map(prediction, labels, CLASSES, max_side=300))
    assert share(image, RIGHT) > 0.2
    assert share(image, WRONG) < 0.01


def test_a_map_without_scored_cells_is_refused() -> None:
    empty = np.full((9, 9), 255, np.uint8)
    with pytest.raises(DataError, match=r"no cell has both a prediction and a label \(north\); leave out"):
        correctness_map(empty, empty, CLASSES, where="north")


def test_learning_curves_draw_a_line_a_model_and_bear_gaps() -> None:
    whole = [{"epoch": e, "loss": 2.0 - e / 10, "val_macro_f1": e / 10} for e in range(1, 9)]
    gaps = [{"epoch": e, "loss": 1.0 - e / 10} for e in range(1, 9)]
    image = decode(learning_curves({"teacher": whole, "control": gaps, "other": []}))
    assert share(image, MODEL_COLOURS["teacher"]) > share(image, MODEL_COLOURS["control"]) > 0
    assert decode(learning_curves({})).ndim == 3


def test_a_perfect_confusion_matrix_is_blue_on_the_diagonal() -> None:
    names = ["a", "b", "c"]
    perfect = decode(confusion_picture(np.diag([5, 7, 9]), names))
    swapped = decode(confusion_picture(np.roll(np.diag([5, 7, 9]), 1, axis=1), names))
    assert share(perfect, "#0d4f66") > 0.1 and share(perfect, "#a8430f") == 0
    assert share(swapped, "#a8430f") > 0.1 and share(swapped, "#0d4f66") == 0


def test_a_confusion_matrix_of_many_classes_and_of_none_scored_is_drawn() -> None:
    names = [f"class {index}" for index in range(40)]
    assert decode(confusion_picture(np.zeros((40, 40), int), names)).shape[0] > 900


def test_macro_f1_grows_to_the_right_and_bears_a_missing_interval() -> None:
    image = decode(macro_f1_picture([("teacher", 0.9, 0.85, 0.93), ("student: RGB", 0.6, np.nan, np.nan)]))
    place = {}
    for role in ("teacher", "student"):
        wanted = np.round(np.array(to_rgb(MODEL_COLOURS[role])) * 255)
        place[role] = np.nonzero((image[..., :3] == wanted).all(axis=-1) & (image[..., 3] == 255))
    assert place["teacher"][1].mean() > place["student"][1].mean()
    assert place["teacher"][0].mean() < place["student"][0].mean()


def searched(random: int, promoted: int) -> Result:
    """A search in which evolution reaches .8, chance .7 and the defaults .6, each .1 less after short training."""

    def contender(macro_f1: float, nudge: float = 0.0) -> Contender:
        candidate = Candidate((("distil.hard_weight", macro_f1 + nudge),))
        full = tuple(Outcome(macro_f1 + luck, 1.0, 40.0) for luck in (-0.01, 0.01))
        return Contender(candidate, Outcome(macro_f1 - 0.1, 1.0, 10.0), full)

    def arm(name: str, reached: float) -> Arm:
        scores = [0.5, 0.4, *np.linspace(0.5, reached - 0.1, 18)]
        low = tuple(Outcome(score, 1.0, 10.0) for score in scores)
        candidates = tuple(Candidate((("distil.hard_weight", score),)) for score in scores)
        return Arm(name, candidates, low, tuple(contender(reached, 0.001 * place) for place in range(promoted)))

    chance = tuple(arm(f"random search {number}", 0.7) for number in range(random))
    return Result(7, 0.25, (1, 2), contender(0.6), arm("differential evolution", 0.8), chance, ())


def test_a_search_shows_the_better_way_lower_and_its_candidates_higher() -> None:
    image = decode(search_picture(searched(random=2, promoted=2)))[120:]
    rows = {}
    for name, colour in SEARCH_COLOURS.items():
        wanted = np.round(np.array(to_rgb(colour)) * 255)
        drawn = np.abs(image[..., :3] - wanted).max(axis=-1) <= 2
        half = image.shape[1] // 2
        left, right = np.nonzero(drawn[:, :half])[0], np.nonzero(drawn[:, half:])[0]
        rows[name] = (left.max(), right.mean())
    assert rows["evolved"][0] > rows["random"][0] > rows["defaults"][0]  # loss: down is better
    assert rows["evolved"][1] < rows["random"][1] < rows["defaults"][1]  # macro-F1: up is better


@pytest.mark.parametrize(("random", "promoted"), [(0, 1), (0, 0), (3, 0)])
def test_a_search_without_a_reference_or_contenders_is_drawn(random: int, promoted: int) -> None:
    image = decode(search_picture(searched(random, promoted)))
    assert share(image, SEARCH_COLOURS["defaults"]) > 0


def test_equal_input_gives_equal_bytes(scene: Scene) -> None:
    assert label_map(scene, CLASSES) == label_map(scene, CLASSES)
    assert b"Software" not in label_map(scene, CLASSES)


def test_nothing_is_left_in_global_state(scene: Scene) -> None:
    import sys

    label_map(scene, CLASSES)
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()
