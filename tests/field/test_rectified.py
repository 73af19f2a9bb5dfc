"""Pictures of fixed cameras come to lie on the ground where the homography says, in pixels of the model's size."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image

from outcrop.errors import OutcropError
from outcrop.field.profiles import BandProfile, ClassProfile, ModalityProfile, ModelProfile
from outcrop.field.rectified import rectify, viewed_m2
from outcrop.survey.cameras import CameraEntry

RGB = ModalityProfile(
    name="rgb",
    bands=tuple(BandProfile(name=name) for name in ("red", "green", "blue")),
    unit="digital number",
    side=6,
    fine=2,
    coarse=1,
    pixel_m=(0.5, 0.5),
    mean=(0.0,) * 3,
    std=(1.0,) * 3,
)
PROFILE = ModelProfile(
    survey="tiny",
    role="student",
    classes=(ClassProfile(name="basalt", colour="#000000"),),
    footprint=3,
    inputs=(RGB,),
    tile=8,
    channels=8,
)
#: The ground: red in the north, blue in the south of a square of 40 m whose upper left corner lies at (100, 540).
WEST, NORTH, SIDE = 100.0, 540.0, 40.0


def tilted() -> np.ndarray:
    """Pixels (column, row) of a camera that looks at the square obliquely, to metres on the ground."""
    placed = np.array([[1.0, 0.0, WEST], [0.0, 1.0, NORTH], [0.0, 0.0, 1.0]])
    return placed @ np.array([[0.2, -0.05, 0.0], [0.0, -0.25, 0.0], [0.0, -0.001, 1.0]])


def photograph(path: Path, homography: np.ndarray, width: int = 300, height: int = 200) -> Path:
    """What such a camera sees."""
    cols, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    x, y, w = np.einsum("ij,jhw->ihw", homography, np.stack([cols, rows, np.ones_like(cols)]))
    seen = np.where((y / w > NORTH - SIDE / 2)[..., None], [200, 30, 30], [30, 30, 200])
    seen[x / w > WEST + SIDE] = [30, 200, 30]
    Image.fromarray(seen.astype(np.uint8)).save(path, quality=95)
    return path


def camera(**told: object) -> CameraEntry:
    return CameraEntry.model_validate({"images": "a/*.png", "position": [0, 0], "gsd_m": 0.25} | told)


def rows_of(matrix: np.ndarray) -> tuple[tuple[float, ...], ...]:
    return tuple(map(tuple, matrix.tolist()))


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_what_is_seen_obliquely_lies_where_it_is(suffix: str, tmp_path: Path) -> None:
    picture = photograph(tmp_path / f"2025-03-01.{suffix}", tilted())
    made = rectify(picture, camera(homography=rows_of(tilted())), PROFILE, tmp_path / "out.tif")
    with rasterio.open(made) as dataset:
        assert dataset.res == (0.5, 0.5) and dataset.descriptions == ("red", "green", "blue", "alpha")
        for x, y, colour in ((WEST + 10, NORTH - 10, 0), (WEST + 10, NORTH - 30, 2), (WEST + 44, NORTH - 10, 1)):
            row, col = dataset.index(x, y)
            pixel = dataset.read()[:, row, col]
            assert pixel[3] == 255 and pixel[:3].argmax() == colour and pixel[colour] > 150
        alpha = dataset.read(4)
        area = (alpha == 255).sum() * 0.25
    assert (alpha == 0).any(), "a tilted picture does not fill its box"
    assert area == pytest.approx(viewed_m2(camera(homography=rows_of(tilted())), picture), rel=0.04)


def test_a_picture_without_homography_is_brought_to_the_models_pixels(tmp_path: Path) -> None:
    values = np.kron(np.array([[0, 255], [255, 0]], np.uint8), np.ones((40, 40), np.uint8))
    Image.fromarray(np.stack([values] * 3, axis=2)).save(tmp_path / "2025-03-01.png")
    seen = camera(area_m2=400.0)
    with rasterio.open(rectify(tmp_path / "2025-03-01.png", seen, PROFILE, tmp_path / "out.tif")) as dataset:
        np.testing.assert_array_equal(dataset.read(1), values[::2, ::2])
        assert dataset.shape == (40, 40) and (dataset.read(4) == 255).all()
    assert viewed_m2(seen, tmp_path / "2025-03-01.png") == 400


def damaged(folder: Path) -> CameraEntry:
    (folder / "2025-03-01.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    return camera(area_m2=9)


def horizon(folder: Path) -> CameraEntry:
    photograph(folder / "2025-03-01.png", tilted())
    return camera(homography=((1, 0, 0), (0, 1, 0), (0, 0.01, -1)))


def endless(folder: Path) -> CameraEntry:
    photograph(folder / "2025-03-01.png", tilted())
    return camera(homography=((100, 0, 0), (0, -100, 0), (0, 0, 1)))


def coarse(folder: Path) -> CameraEntry:
    photograph(folder / "2025-03-01.png", tilted())
    return camera(area_m2=9, gsd_m=0.8)


BAD = {
    "damaged": (damaged, "the picture cannot be read"),
    "horizon": (horizon, "does not put the whole picture on the ground"),
    "endless": (endless, "rectified, the picture would have"),
    "coarse": (coarse, r"a pixel shows 0.8 m of ground, the model was trained with 0.5 m"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_rectified_is_refused(case: str, tmp_path: Path) -> None:
    damage, sentence = BAD[case]
    seen = damage(tmp_path)
    with pytest.raises(OutcropError, match=sentence):
        rectify(tmp_path / "2025-03-01.png", seen, PROFILE, tmp_path / "out.tif")
    assert not (tmp_path / "out.tif").exists()
