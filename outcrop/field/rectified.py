"""A picture of a fixed camera as a raster that a model can map: on the ground, in pixels of the model's size."""

from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from rasterio.enums import ColorInterp

from outcrop.errors import DataError, ModelError, SurveyError
from outcrop.field.profiles import ModelProfile
from outcrop.field.scenes import SIZE_TOLERANCE
from outcrop.survey.cameras import CameraEntry

#: Pixels along a side of a rectified picture at most; a homography that makes more looks at the horizon.
LARGEST = 20_000
Corners = NDArray[np.float64]


def check_camera_model(profile: ModelProfile, where: object) -> None:
    """Whether a model sees what a camera sees.

    Raises
    ------
    ModelError : it does not.
    """
    if len(profile.inputs) > 1 or len(profile.inputs[0].bands) != 3:
        seen = ", ".join(entry.name for entry in profile.inputs)
        raise ModelError(f"the model sees {seen}, cameras see RGB alone", where=where, remedy="take an RGB student")


def read_picture(path: Path) -> Image.Image:
    """A JPEG or PNG as RGB, upright.

    Raises
    ------
    DataError : it is neither, or damaged.
    """
    try:
        with Image.open(path, formats=("JPEG", "PNG")) as image:
            return ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, SyntaxError, ValueError) as cause:
        raise DataError("the picture cannot be read", where=path, remedy="give an undamaged JPEG or PNG") from cause


def ground_corners(camera: CameraEntry, width: int, height: int, where: object) -> Corners:
    """(4, 2) where the corners of a picture lie on the ground, m.

    Raises
    ------
    SurveyError : the homography is none, or puts a part of the picture beyond the horizon.
    """
    matrix = np.array(camera.homography)
    corners = np.array([(0, 0, 1), (width, 0, 1), (width, height, 1), (0, height, 1)]) @ matrix.T
    if abs(np.linalg.det(matrix)) < 1e-12 or corners[:, 2].min() * corners[:, 2].max() <= 0:
        raise SurveyError(
            "the homography does not put the whole picture on the ground", where=where, remedy="measure it again"
        )
    return np.asarray(corners[:, :2] / corners[:, 2:])


def viewed_m2(camera: CameraEntry, picture: Path) -> float:
    """Ground that a picture shows.

    Raises
    ------
    DataError, SurveyError : the picture or the homography cannot be used.
    """
    if camera.area_m2 is not None:
        return camera.area_m2
    image = read_picture(picture)
    x, y = ground_corners(camera, image.width, image.height, picture).T
    return float(abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2)


def rectify(picture: Path, camera: CameraEntry, profile: ModelProfile, output: Path) -> Path:
    """Write a picture as a GeoTIFF with the model's bands and an alpha band, in metres, without CRS.

    Raises
    ------
    DataError, SurveyError : the picture or the homography cannot be used, or its pixels are coarser than the model's.
    """
    (entry,) = profile.inputs
    image, corner = read_picture(picture).convert("RGBA"), (0.0, 0.0)
    if camera.homography is not None:
        image, corner = _on_ground(image, camera, picture)
    pixel_m = camera.gsd_m if entry.pixel_m is None else entry.pixel_m[0]
    if camera.gsd_m > pixel_m * (1 + SIZE_TOLERANCE):
        raise DataError(
            f"a pixel shows {camera.gsd_m:g} m of ground, the model was trained with {pixel_m:g} m",
            where=picture,
            remedy="bring the camera nearer, or take a model of coarser pictures",
        )
    size = tuple(max(1, round(side * camera.gsd_m / pixel_m)) for side in image.size)
    pixels = np.asarray(image.resize((size[0], size[1]), Image.Resampling.BOX)).transpose(2, 0, 1).copy()
    pixels[3] = np.where(pixels[3] == 255, 255, 0)  # half a pixel is none
    layout = {"driver": "GTiff", "count": 4, "height": size[1], "width": size[0], "dtype": "uint8"}
    place = Affine(pixel_m, 0, corner[0], 0, -pixel_m, corner[1])
    output.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(output, "w", transform=place, photometric="RGB", alpha="YES", **layout) as dataset:
        dataset.colorinterp = (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha)
        dataset.descriptions = (*(band.name for band in entry.bands), "alpha")
        dataset.write(pixels)
    return output


def _on_ground(image: Image.Image, camera: CameraEntry, where: object) -> tuple[Image.Image, tuple[float, float]]:
    """The picture seen from above, and where its upper left corner lies; what it does not show is transparent."""
    corners = ground_corners(camera, image.width, image.height, where)
    (west, south), (east, north) = corners.min(axis=0), corners.max(axis=0)
    width, height = (int(np.ceil(length / camera.gsd_m)) for length in (east - west, north - south))
    if not 0 < max(width, height) <= LARGEST:
        raise SurveyError(
            f"rectified, the picture would have {width} x {height} pixels",
            where=where,
            remedy=f"give a coarser `gsd_m`, or a homography of less ground; {LARGEST} along a side are possible",
        )
    to_ground = np.array([[camera.gsd_m, 0, west], [0, -camera.gsd_m, north], [0, 0, 1]])
    back = np.linalg.inv(np.array(camera.homography)) @ to_ground
    back = (back / back[2, 2]).ravel()[:8]
    seen = image.transform(
        (width, height), Image.Transform.PERSPECTIVE, tuple(back), Image.Resampling.BILINEAR, fillcolor=(0, 0, 0, 0)
    )
    return seen, (float(west), float(north))
