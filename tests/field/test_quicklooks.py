"""Quicklooks show what they were given: known pixels have known colours, and what was noted is said."""

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from matplotlib.colors import to_rgb
from numpy.typing import NDArray
from PIL import Image

from outcrop.field.contacts import MOST_SCENES
from outcrop.field.drawing import DPI
from outcrop.field.panels import key_of, panels_of
from outcrop.field.quicklooks import draw_site
from outcrop.field.renderings import SPLIT_COLOURS, choose_bands, render, render_labels, render_split
from outcrop.field.sheets import PAGE, Sheet, as_png, as_webp, brief, fit, key_height, round_length, text_width, wrap
from outcrop.survey.grids import Grid, Nesting
from outcrop.survey.sites import Band, LabelClass, Raster, Scene, Site
from outcrop.survey.summaries import count_cells

CLASSES = (LabelClass("dunite", 0, "#204080"), LabelClass("$1_{moss", 1, "#e0c010"))
GRID = Grid(40, 40, Affine(2, 0, 400000, 0, -2, 6000000), "EPSG:32632")
VISIBLE = (Band("blue", 0.48), Band("green", 0.56), Band("red", 0.66), Band("nir", 0.86))
Maker = Callable[..., Scene]


def store(path: Path, values: NDArray[Any], grid: Grid, nodata: float | None = None) -> Path:
    count, height, width = values.shape
    layout = {"driver": "GTiff", "count": count, "height": height, "width": width, "dtype": values.dtype}
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(path, "w", **layout, nodata=nodata, crs=grid.crs, transform=grid.transform) as target:
        target.write(values)
    return path


def raster(folder: Path, modality: str, values: NDArray[Any], bands: tuple[Band, ...], **fields: Any) -> Raster:
    """A raster whose nesting is that of its shape in the base grid."""
    nesting = fields.pop("nesting", Nesting(fine=max(1, values.shape[1] // 40), coarse=max(1, 40 // values.shape[1])))
    grid = nesting.grid(GRID)
    path = store(folder / f"{modality}.tif", values, grid, fields.get("nodata"))
    layout = {"unit": "K", "nodata": None} | fields
    return Raster(modality, path, grid, nesting, bands, dtype=str(values.dtype), **layout)


def bands(*names: str) -> tuple[Band, ...]:
    return tuple(Band(name) for name in names)


def spectrum(first: float, last: float, count: int) -> tuple[Band, ...]:
    return tuple(Band(f"b{i}", centre) for i, centre in enumerate(np.linspace(first, last, count).tolist()))


@pytest.fixture
def make_scene(tmp_path: Path) -> Maker:
    """Scenes of 40 x 40 cells: dunite in the west, moss in the east, the splits from north to south."""

    def make(name: str = "north", labelled: int = 40, **rasters: Raster) -> Scene:
        labels = np.zeros((1, 40, 40), np.uint8)
        labels[:, :, 20:] = 1
        labels[:, labelled:] = 255
        split = np.repeat([1, 2, 3, 0], 10).astype(np.uint8)[None, :, None].repeat(40, axis=2)
        folder = tmp_path / name
        if not rasters:
            rasters = {"rgb": raster(folder, "rgb", np.full((3, 40, 40), 90, np.uint8), bands("red", "green", "blue"))}
        return Scene(
            name, GRID, rasters, store(folder / "labels.tif", labels, GRID), store(folder / "split.tif", split, GRID)
        )

    return make


def site_of(*scenes: Scene) -> Site:
    return Site("leka", Path("leka"), "norway", CLASSES, scenes, 10, 3)


def share(image: Image.Image, colour: str) -> float:
    """How much of the picture has exactly this colour."""
    wanted = np.round(np.array(to_rgb(colour)) * 255)
    return float((np.asarray(image)[..., :3] == wanted).all(axis=-1).mean())


CHOICES = {
    "wavelengths decide": ("hyperspectral", VISIBLE, (2, 1, 0), "as red, green, blue: red, green, blue (0.66"),
    "nothing visible": ("thermal", spectrum(8, 12, 5), (4, 2, 0), "longest, middle and shortest wavelength b4, b2, b0"),
    "names decide": ("rgb", bands("nir", "Blue", "green", "red"), (3, 2, 1), "red, green and blue of 4 bands"),
    "a camera": ("rgb", bands("red", "green", "blue"), (0, 1, 2), ""),
    "ternary": ("gamma", bands("k", "th", "u", "total"), (0, 1, 2), "as red, green, blue: k, th, u"),
    "many without wavelengths": ("x", bands(*"abcdefghijk"), (10, 5, 0), "last, middle and first band k, f, a"),
    "two": ("radar", bands("hh", "hv"), (0,), "hh, the first of 2 bands"),
    "one": ("thermal", bands("t"), (0,), ""),
    "a surface and its canopy": ("elevation", bands("dtm", "dsm", "chm"), (0,), "dtm, the first of 3 bands"),
}


@pytest.mark.parametrize("case", CHOICES)
def test_the_bands_that_are_shown(case: str, tmp_path: Path) -> None:
    modality, given, expected, words = CHOICES[case]
    chosen = choose_bands(raster(tmp_path, modality, np.zeros((len(given), 40, 40), np.uint8), given))
    assert chosen.bands == expected
    assert words in chosen.words


def test_a_composite_is_stretched_band_by_band(tmp_path: Path) -> None:
    values = np.zeros((4, 40, 40), np.uint16)
    values[2, :, 20:] = 1000  # red in the east
    values[0, 20:] = 50  # blue in the south, twenty times darker
    shown = render(raster(tmp_path, "multispectral", values, VISIBLE), 400).pixels
    assert [tuple(shown[y, x]) for y, x in ((5, 5), (5, 35), (35, 5), (35, 35))] == [
        (0, 0, 0, 1), (1, 0, 0, 1), (0, 0, 1, 1), (1, 0, 1, 1),
    ]  # fmt: skip


def test_a_camera_keeps_the_balance_of_its_colours(tmp_path: Path) -> None:
    values = np.zeros((3, 40, 40), np.uint8)
    values[:, 20:] = np.array([200, 100, 50])[:, None, None]
    shown = render(raster(tmp_path, "rgb", values, bands("red", "green", "blue")), 400).pixels
    assert shown[30, 5, :3] == pytest.approx([1, 0.5, 0.25], abs=0.01)


@pytest.mark.parametrize("nodata", [float("nan"), -9999.0])
def test_pixels_without_data_are_transparent(nodata: float, tmp_path: Path) -> None:
    values = np.random.default_rng(0).uniform(1, 2, (1, 40, 40)).astype(np.float32)
    values[:, :20] = nodata
    for modality in ("thermal", "elevation"):
        shown = render(raster(tmp_path, modality, values, bands("t"), nodata=nodata), 400).pixels
        assert (shown[:20, :, 3] == 0).all() and (shown[20:, :, 3] == 1).all()


def test_a_dark_pixel_of_a_camera_is_no_hole(tmp_path: Path) -> None:
    values = np.full((3, 40, 40), 100, np.uint8)
    values[0, 3, 3] = values[:, 9, 9] = 0
    shown = render(raster(tmp_path, "rgb", values, bands("red", "green", "blue"), nodata=0), 400).pixels
    assert shown[3, 3, 3] == 1 and shown[9, 9, 3] == 0


def test_a_colour_bar_is_in_the_unit_of_the_data(tmp_path: Path) -> None:
    values = np.linspace(0, 1000, 1600).reshape(1, 40, 40).astype(np.int16)
    scale = render(raster(tmp_path, "thermal", values, bands("t"), scale=0.1, offset=273.0), 400).scale
    assert scale is not None and scale.label == "t [K]"
    assert (scale.low, scale.high) == pytest.approx((275, 371), abs=0.2)


def test_a_hill_is_lit_from_the_north_west(tmp_path: Path) -> None:
    y, x = np.mgrid[:40, :40] - 19.5
    hill = -np.hypot(x, y).astype(np.float32)[None]
    shown = render(raster(tmp_path, "elevation", hill, bands("dtm")), 400)
    lit = shown.pixels[..., :3].sum(axis=2)
    assert lit[10, 10] > lit[10, 29] > lit[29, 29]  # equal heights, turned from the light
    assert "shaded" in shown.words


def test_a_raster_without_any_data_is_still_drawn(make_scene: Maker, tmp_path: Path) -> None:
    empty = np.full((1, 40, 40), -1, np.float32)
    scene = make_scene(
        elevation=raster(tmp_path, "elevation", empty, bands("dtm"), nodata=-1.0),
        rgb=raster(tmp_path, "rgb", np.zeros((3, 40, 40), np.uint8), bands("red", "green", "blue"), nodata=0),
    )
    assert draw_site(site_of(scene)).image.width > 1000


def test_a_large_raster_is_read_decimated(tmp_path: Path) -> None:
    values = np.zeros((3, 400, 400), np.uint8)
    values[0, 200:] = 200
    shown = render(raster(tmp_path, "rgb", values, bands("red", "green", "blue")), 100)
    assert shown.pixels.shape == (100, 100, 4)
    assert tuple(shown.pixels[75, 50, :3]) == (1, 0, 0)
    assert shown.extent == (0, 40, 40, 0)


def test_a_coarse_raster_begins_before_the_labels(tmp_path: Path) -> None:
    nesting = Nesting(coarse=3, row=1, col=2)
    values = np.zeros((1, 14, 14), np.float32)
    assert render(raster(tmp_path, "thermal", values, bands("t"), nesting=nesting), 99).extent == (-2, 40, 41, -1)


def test_labels_and_split_have_their_colours(make_scene: Maker) -> None:
    scene = make_scene(labelled=30)
    labels, split = render_labels(scene, CLASSES, 400).pixels, render_split(scene, 400).pixels
    assert tuple(labels[5, 5, :3]) == to_rgb("#204080") and tuple(labels[5, 35, :3]) == to_rgb("#e0c010")
    assert labels[35, 5, 3] < 0.5
    for row, name in ((5, "train"), (15, "val"), (25, "test")):
        assert tuple(split[row, 5, :3]) == to_rgb(SPLIT_COLOURS[name])
    assert split[35, 5, 3] < 0.5


def test_a_drawn_cell_is_what_most_of_its_cells_are(make_scene: Maker) -> None:
    shown = render_labels(make_scene(), CLASSES, 13).pixels  # squares of 4: the border lies between the fifth and sixth
    assert shown.shape == (10, 10, 4)
    assert tuple(shown[0, 4, :3]) == to_rgb("#204080") and tuple(shown[0, 5, :3]) == to_rgb("#e0c010")


def test_labels_that_are_few_are_drawn_larger(tmp_path: Path) -> None:
    grid = Grid(600, 600, GRID.transform, GRID.crs)
    points = np.full((1, 600, 600), 255, np.uint8)
    points[0, 100, 100], points[0, 500, 300] = 0, 1
    labels, split = store(tmp_path / "l.tif", points, grid), store(tmp_path / "s.tif", points * 0, grid)
    shown = render_labels(Scene("s", grid, {}, labels, split), CLASSES, 300)
    assert shown.words == "labelled cells are drawn larger"
    for colour in ("#204080", "#e0c010"):
        assert (shown.pixels[..., :3] == to_rgb(colour)).all(axis=2).sum() > 4


def test_a_panel_says_what_was_noted(make_scene: Maker, tmp_path: Path) -> None:
    fields: dict[str, Any] = {"derived_from": "hyperspectral", "approximate": True, "notes": ("shifted by 3 pixels",)}
    scene = make_scene(multispectral=raster(tmp_path, "multispectral", np.zeros((4, 40, 40)), VISIBLE, **fields))
    panels = {panel.title: panel for panel in panels_of(replace(scene, notes=("2 points left out",)), CLASSES, 99)}
    assert list(panels) == ["multispectral", "labels", "split"]
    shown = panels["multispectral"]
    assert shown.words.startswith("4 bands; 0.48-0.86 µm; 2 m pixels; as red, green, blue")
    assert shown.notes == ("derived from hyperspectral", "the wavelengths are approximate", "shifted by 3 pixels")
    assert panels["labels"].notes == ("2 points left out",)


def test_the_key_counts_the_cells(make_scene: Maker, tmp_path: Path) -> None:
    hole = np.full((1, 40, 40), np.nan, np.float32)
    scene = make_scene(labelled=30, thermal=raster(tmp_path, "thermal", hole, bands("t")))
    shown = [panel.shown for panel in panels_of(scene, CLASSES, 99)]
    labels, split, rasters = key_of(shown, CLASSES, count_cells(scene, CLASSES))
    assert [(entry.name, entry.count) for entry in labels.entries] == [
        ("dunite", "600"), ("$1_{moss", "600"), ("no label", "400"),
    ]  # fmt: skip
    assert [entry.count for entry in split.entries] == ["400"] * 4
    assert [entry.name for entry in rasters.entries] == ["no data"]
    assert len(key_of(shown[1:2], CLASSES, count_cells(scene, CLASSES))) == 2  # no hatch, no entry for it


def test_one_scene_fills_the_sheet(make_scene: Maker) -> None:
    look = draw_site(site_of(make_scene()))
    assert (look.scenes, look.total, look.image.mode) == (("north",), 1, "RGB")
    for colour in ("#204080", "#e0c010"):
        assert share(look.image, colour) > 0.1
    assert share(look.image, "#ffffff") < 0.35


def test_a_sheet_for_a_page_is_transparent(make_scene: Maker) -> None:
    image = draw_site(site_of(make_scene()), look=PAGE).image
    assert image.mode == "RGBA" and image.getpixel((0, 0))[3] == 0  # type: ignore[index]


def test_a_contact_sheet_shows_the_scenes_with_the_most_labels(make_scene: Maker) -> None:
    scenes = [make_scene(f"plot_{index:02d}", labelled=1 + index) for index in range(MOST_SCENES + 3)]
    look = draw_site(site_of(*reversed(scenes)))
    assert look.scenes == tuple(scene.id for scene in reversed(scenes[3:]))
    assert look.total == MOST_SCENES + 3
    one = draw_site(site_of(*scenes), scenes[0])
    assert (one.scenes, one.total) == (("plot_00",), MOST_SCENES + 3)


def test_scenes_of_a_site_need_not_have_the_same_sensors(make_scene: Maker, tmp_path: Path) -> None:
    thermal = raster(tmp_path, "thermal", np.eye(40, dtype=np.float32)[None], bands("t"))
    look = draw_site(site_of(make_scene("a"), make_scene("b", thermal=thermal)))
    assert look.scenes == ("a", "b")


@pytest.mark.parametrize("shape", [(10, 400), (400, 10), (1, 1)])
def test_a_strip_of_a_scene_with_many_sensors_is_drawn(shape: tuple[int, int], tmp_path: Path) -> None:
    grid = Grid(*shape, GRID.transform, GRID.crs)
    codes = store(tmp_path / "codes.tif", np.zeros((1, *shape), np.uint8), grid)
    path = store(tmp_path / "values.tif", np.zeros((1, *shape), np.float32), grid)
    names = ("elevation", *(f"m{index}" for index in range(8)))
    rasters = {name: Raster(name, path, grid, Nesting(), bands("b"), "", "float32", None) for name in names}
    image = draw_site(site_of(Scene("strip", grid, rasters, codes, codes))).image
    assert image.height < 2600
    assert share(image, "#204080") > 0.0005


@pytest.mark.parametrize("sensors", [1, 3, 4, 6])
@pytest.mark.parametrize("shape", [(40, 16), (40, 40), (10, 40)])
def test_every_sheet_has_its_key(
    sensors: int, shape: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid = Grid(*shape, GRID.transform, GRID.crs)
    codes = store(tmp_path / "codes.tif", np.zeros((1, *shape), np.uint8), grid)
    path = store(tmp_path / "values.tif", np.zeros((1, *shape), np.float32), grid)
    rasters = {f"m{i}": Raster(f"m{i}", path, grid, Nesting(), bands("b"), "", "f4", None) for i in range(sensors)}
    boxes: list[tuple[float, ...]] = []

    def note(sheet: Sheet, x: float, y: float, width: float, groups: Any) -> None:
        boxes.append((x, y, x + width, y + key_height(groups, width)))

    monkeypatch.setattr(Sheet, "key", note)
    image = draw_site(site_of(Scene("north", grid, rasters, codes, codes))).image
    ((left, top, right, bottom),) = boxes
    assert 0 < left < right < image.width / DPI
    assert 0 < top < bottom < image.height / DPI


def test_equal_input_gives_equal_bytes(make_scene: Maker) -> None:
    site = site_of(make_scene())
    png = as_png(draw_site(site).image)
    assert png == as_png(draw_site(site).image)
    assert b"Software" not in png


def test_a_webp_stays_below_its_limit() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (900, 900, 4), np.uint8)
    data = as_webp(Image.fromarray(noise), 60_000)
    assert len(data) <= 60_000
    assert Image.open(BytesIO(data)).format == "WEBP"


def test_nothing_is_left_in_global_state(make_scene: Maker) -> None:
    import sys

    draw_site(site_of(make_scene()))
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()


def test_text_fits_its_width() -> None:
    words = "a note that says at length what was done to the raw file before it became a raster of this site"
    lines = wrap(words, 1.5, 7, 3)
    assert len(lines) == 3 and lines[-1].endswith("…")
    assert all(text_width(line, 7) <= 1.5 for line in lines)
    assert " ".join(wrap(words, 1.5, 7, 99)) == words
    assert fit("w" * 80, 1.0, 7).endswith("…") and fit("short", 1.0, 7) == "short"
    assert fit("anything", 0.01, 7) == ""


@pytest.mark.parametrize(("longest", "expected"), [(1, 1), (3.2, 2), (7, 5), (999, 500), (1000, 1000), (0.03, 0.02)])
def test_scale_bars_have_round_lengths(longest: float, expected: float) -> None:
    assert round_length(longest) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("value", "written"), [(12345.6, "12,346"), (281.34, "281.3"), (0.0057461, "0.00575"), (0, "0"), (-1, "-1")]
)
def test_numbers_are_brief(value: float, written: str) -> None:
    assert brief(value) == written
