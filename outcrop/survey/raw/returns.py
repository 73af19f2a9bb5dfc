"""The returns of a point cloud (LAS, LAZ), read in chunks and placed on a grid, without trusting the file."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from outcrop.errors import DataError, SurveyError
from outcrop.survey.grids import Grid

if TYPE_CHECKING:
    from pyproj import CRS, Transformer

#: Classes of the LAS specification (ASPRS, version 1.4).
GROUND, NOISE = 2, (7, 18)
#: Bytes of points that are held at a time.
CHUNK = 2**25
#: Two CRS are taken for one when they place the cloud's corners within this part of a cell of each other.
SAME_PLACE = 0.01
#: What laspy and its decoder raise on damaged files, besides laspy's own errors.
DAMAGE = (ArithmeticError, AttributeError, EOFError, LookupError, OSError, RuntimeError, TypeError, ValueError)


@dataclass(frozen=True)
class Cloud:
    """A file of points. ``transformer`` turns its x and y into those of the grid, where they are others.

    ``notes`` say what was assumed or done about its CRS.
    """

    path: Path
    transformer: "Transformer | None" = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Returns:
    """Returns on a grid: flat index of their cell, height (float32), intensity, and whether classified as ground."""

    cell: NDArray[np.int64]
    height: NDArray[np.float32]
    intensity: NDArray[np.uint16]
    ground: NDArray[np.bool_]


def inspect_cloud(path: Path, grid: Grid, declared: str | None) -> Cloud:
    """Read a point cloud's header; ``declared`` is the CRS that the survey gives it, else its own counts.

    Raises
    ------
    SurveyError : its CRS is not known, or it has one and the grid has none.
    DataError : it is no point cloud, or is cut off.
    """
    with _opened(path, "is not a readable LAS or LAZ file") as reader:
        header = reader.header
    crs = _horizontal(header, declared, path)
    if crs is None:
        return Cloud(path, notes=("the point cloud names no CRS: it was taken to be that of the labels",))
    if grid.crs is None:
        raise SurveyError("the point cloud has a CRS, the labels have none", where=path, remedy="assign it to both")
    transformer = _transformer(crs, grid.crs, path)
    corners = np.array([header.mins[:2], header.maxs[:2]])
    moved = np.abs(np.column_stack(transformer.transform(*corners.T)) - corners).max()
    if moved <= SAME_PLACE * abs(grid.transform.a):
        return Cloud(path)
    return Cloud(path, transformer, (f"the points were reprojected from {crs.name}",))


def _horizontal(header: Any, declared: str | None, path: Path) -> "CRS | None":
    from pyproj import CRS

    try:
        crs = CRS.from_user_input(declared) if declared is not None else header.parse_crs()
    except DAMAGE as cause:
        raise SurveyError("the CRS of the point cloud is not known", where=path, remedy="declare its `crs`") from cause
    return crs.sub_crs_list[0] if crs is not None and crs.is_compound else crs


def _transformer(crs: "CRS", target: str, path: Path) -> "Transformer":
    from pyproj import Transformer

    try:
        return Transformer.from_crs(crs, target, always_xy=True)
    except DAMAGE as cause:
        problem = f"there is no way from the point cloud's CRS ({crs.name}) to that of the labels"
        raise SurveyError(problem, where=path, remedy="declare its `crs`") from cause


def read_returns(cloud: Cloud, grid: Grid) -> Iterator[Returns]:
    """The returns on the grid that are neither noise nor withheld, chunk by chunk.

    Raises
    ------
    DataError : the file is damaged.
    """
    left, top, step_x, step_y = grid.transform.c, grid.transform.f, grid.transform.a, grid.transform.e
    with _opened(cloud.path, "cannot be read to its end") as reader:
        for points in reader.chunk_iterator(max(1, CHUNK // reader.header.point_format.size)):
            classes = np.asarray(points.classification)
            x, y = np.asarray(points.x), np.asarray(points.y)
            if cloud.transformer is not None:
                x, y = cloud.transformer.transform(x, y)
            cols, rows = np.floor((x - left) / step_x), np.floor((y - top) / step_y)
            kept = (rows >= 0) & (rows < grid.height) & (cols >= 0) & (cols < grid.width)
            kept &= ~np.isin(classes, NOISE) & ~np.asarray(points.withheld).astype(bool)
            yield Returns(
                cell=(rows[kept] * grid.width + cols[kept]).astype(np.int64),
                height=np.asarray(points.z)[kept].astype(np.float32),
                intensity=np.asarray(points.intensity)[kept],
                ground=classes[kept] == GROUND,
            )


@contextmanager
def _opened(path: Path, problem: str) -> Iterator[Any]:
    """A laspy reader; any failure of it is told as one sentence: the file ``problem``."""
    import laspy  # 0.4 s: only where a point cloud is read

    try:
        _check_counts(path)
        with laspy.open(path) as reader:
            header = reader.header
            points = 0 if header.are_points_compressed else header.point_count * header.point_format.size
            if header.offset_to_point_data + points > path.stat().st_size:
                problem = "ends too early"
                raise EOFError
            yield reader
    except (laspy.errors.LaspyException, struct.error, *DAMAGE) as cause:
        raise DataError(f"the point cloud {problem}", where=path, remedy="copy or export it again") from cause


def _check_counts(path: Path) -> None:
    """Refuse a header that promises more records than the file has room for: laspy would read them for hours."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(375)
    start, records = struct.unpack_from("<II", head, 96)
    (extended,) = struct.unpack_from("<I", head, 243) if head[25] >= 4 else (0,)
    if start > size or 54 * records > start or 60 * extended > size:
        raise ValueError
