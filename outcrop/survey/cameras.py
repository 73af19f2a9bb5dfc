"""What a survey file says of a site's fixed cameras: pictures without a place, and what ground they show."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path, PurePosixPath
from typing import Annotated, Self

from pydantic import Field, model_validator

from outcrop.errors import SurveyError
from outcrop.settings import Section
from outcrop.survey.entries import RawPath

SUFFIXES = (".jpg", ".jpeg", ".png")
Row = tuple[float, float, float]


class CameraEntry(Section):
    """One camera.

    Parameters
    ----------
    images : path of its pictures (JPEG, PNG), a ``*`` in it stands for the date, such as ``2025-03-01``
    position : of the camera: x, y and perhaps height, in the coordinates of the site's scenes
    gsd_m : ground that a pixel shows, m along a side; with a homography, of the picture that is rectified
    area_m2 : ground that the picture shows, where it is not rectified
    homography : rows of the matrix that takes pixels (column, row, 1; from the upper left corner) to metres on the
        ground (x, y to the north, 1)
    """

    images: RawPath
    position: tuple[float, float] | tuple[float, float, float]
    gsd_m: Annotated[float, Field(gt=0)]
    area_m2: Annotated[float, Field(gt=0)] | None = None
    homography: tuple[Row, Row, Row] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.images.count("*") != 1 or PurePosixPath(self.images).suffix.lower() not in SUFFIXES:
            raise ValueError("images must be JPEG or PNG, with one * in their path that stands for the date")
        if (self.area_m2 is None) == (self.homography is None):
            raise ValueError("give either `area_m2` or `homography`")
        return self


def find_images(camera: CameraEntry, raw: Path) -> Mapping[date, Path]:
    """The pictures of a camera by date.

    Raises
    ------
    SurveyError : a file of the pattern bears no date.
    """
    before, after = camera.images.split("*")
    found = {}
    for path in sorted(raw.glob(camera.images)):
        words = path.relative_to(raw).as_posix().removeprefix(before).removesuffix(after)
        try:
            found[date.fromisoformat(words)] = path
        except ValueError as cause:
            raise SurveyError(
                f"`{words}` is no date", where=path, remedy="call pictures by their date, such as 2025-03-01"
            ) from cause
    return found
