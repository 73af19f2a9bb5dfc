"""Point clouds (LAS, LAZ) as rasters of elevation on the base grid."""

from pathlib import Path, PurePosixPath

from outcrop.survey.entries import RasterEntry
from outcrop.survey.layers import Base, Layer
from outcrop.survey.surveys import Survey


def is_point_cloud(entry: RasterEntry) -> bool:
    """Whether the files are point clouds, by their suffix."""
    return PurePosixPath(entry.files[0]).suffix.lower() in {".las", ".laz"}


def lay_points(entry: RasterEntry, base: Base, modality: str, survey: Survey, raw: Path, target: Path) -> Layer:
    """Rasterise a point cloud on the base grid.

    Raises
    ------
    SurveyError, DataError : the file is no point cloud, lies elsewhere, or its bands are not known measures.
    """
    raise NotImplementedError
