"""Features of a file brought to a scene: those that come near it, in the coordinates of its base grid."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from numpy.typing import NDArray

from outcrop.errors import DataError, SurveyError
from outcrop.survey.raw.layers import Base
from outcrop.survey.raw.vectors import counted, crs_label

if TYPE_CHECKING:
    import geopandas as gpd

Box = tuple[float, float, float, float]


def features_near(features: "gpd.GeoDataFrame", box: Box) -> "gpd.GeoDataFrame":
    """The features whose bounds touch a box, which is in their coordinates."""
    left, bottom, right, top = box
    bounds = shapely.bounds(features.geometry.to_numpy())
    touches = (bounds[:, 0] <= right) & (bounds[:, 2] >= left) & (bounds[:, 1] <= top) & (bounds[:, 3] >= bottom)
    return features[touches]


def scene_box(crs: Any, base: Base, path: Path) -> Box:
    """Left, bottom, right and top of a scene in the coordinates of a file in ``crs`` (of pyproj).

    Without georeference these are pixel coordinates: columns, and rows counted downwards.

    Raises
    ------
    SurveyError : the file's CRS has nothing to do with the grid's.
    """
    from pyproj import Transformer
    from pyproj.exceptions import ProjError

    grid = base.grid
    if not base.placed:
        return 0.0, grid.transform.f - grid.bounds[3], grid.bounds[2], grid.transform.f - grid.bounds[1]
    if grid.crs is None:
        return grid.bounds
    try:
        box = Transformer.from_crs(grid.crs, crs, always_xy=True).transform_bounds(*grid.bounds)
    except ProjError as cause:
        raise SurveyError(
            f"the file's {crs_label(crs)} cannot be brought to the grid's CRS", where=path, remedy="check both"
        ) from cause
    left, bottom, right, top = box
    return (left, bottom, right, top) if left <= right else (-180.0, bottom, 180.0, top)  # across the date line


def shapes_on(features: "gpd.GeoDataFrame", base: Base, path: Path) -> tuple[NDArray[Any], list[str]]:
    """The geometries (n,) of features in the coordinates of the base grid, and a note if they were reprojected.

    Raises
    ------
    DataError : a feature reaches to where the grid's CRS has no coordinates.
    """
    from pyproj import CRS

    geometry, grid = features.geometry, base.grid
    if not base.placed:
        return geometry.affine_transform((1, 0, 0, -1, 0, grid.transform.f)).to_numpy(), []
    if grid.crs is None:
        return geometry.to_numpy(), []
    ours = CRS.from_user_input(grid.crs)
    if features.empty or features.crs.equals(ours, ignore_axis_order=True):
        return geometry.to_numpy(), []
    shapes = geometry.to_crs(ours).to_numpy()
    if not np.isfinite(shapely.get_coordinates(shapes)).all():
        raise DataError(
            "a feature reaches to where the CRS of the grid has no coordinates",
            where=path,
            remedy="clip the file to the surroundings of the site",
        )
    return shapes, [f"the features were reprojected from {crs_label(features.crs)} to {crs_label(ours)}"]


def check_polygons(features: "gpd.GeoDataFrame", path: Path) -> None:
    """Make sure that polygons have an inside.

    Raises
    ------
    DataError : borders cross themselves.
    """
    invalid = ~shapely.is_valid(features.geometry.to_numpy())
    if invalid.any():
        reason = shapely.is_valid_reason(features.geometry[invalid].iloc[0]).split("[")[0].lower()
        raise DataError(
            f"{counted(int(invalid.sum()), 'polygon')} near the scene cannot be filled, "
            f"the first is feature {features.index[invalid][0]} ({reason})",
            where=path,
            remedy="repair the file, for example with QGIS's `Fix geometries` or shapely's make_valid",
        )
