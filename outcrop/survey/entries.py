"""What a survey file says of a scene's raw files (rasters, point clouds, labels of any form) and of its sensors."""

from datetime import date
from pathlib import PurePosixPath
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, model_validator

from outcrop.settings import NonNegative, Section

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
#: A scene's id; one ``*`` stands for the scene key, see `outcrop.survey.raw.scenes`.
SceneName = Annotated[str, Field(pattern=r"^(?:[a-z0-9][a-z0-9_-]*)?\*?[a-z0-9_-]*$", min_length=1)]


class CarriedEntry(Section):
    """What it takes to carry a modality's sensor, where the survey knows better than `outcrop.field.sensor_costs`.

    ``power_w`` is needed while it measures, ``price_usd`` once; 0 and 0 is a sensor that somebody else flies, such as a
    satellite's. ``carried_by`` names the modality whose sensor gives this one as well: a canopy height comes from the
    laser scanner of the elevation. None of them is ever dumped, so that no digest knows them: a new price makes no new
    site and trains no model again.
    """

    power_w: NonNegative | None = Field(default=None, exclude=True)
    price_usd: NonNegative | None = Field(default=None, exclude=True)
    carried_by: Name | None = Field(default=None, exclude=True)


def _inside(path: str) -> str:
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or "\\" in path or "\0" in path or not pure.parts:
        raise ValueError("a raw file's path must be relative to the data folder and stay in it")
    if path.count("*") > 1:
        raise ValueError("a raw file's path may hold one *, which stands for the scene key")
    return path


#: A path relative to the data folder; ``*`` stands for the scene key.
RawPath = Annotated[str, AfterValidator(_inside)]


class RasterEntry(Section):
    """The file, or the files one behind the other, that hold a modality's bands.

    ``variable`` names one of a NetCDF or ``.mat`` file's arrays. ``crs`` and ``transform`` (a, b, c, d, e, f; x = a col
    + b row + c, y = d col + e row + f) place a file that says nothing of its place, or less than it should.
    """

    files: Annotated[tuple[RawPath, ...], Field(min_length=1)]
    variable: str | None = None
    crs: str | None = None
    transform: tuple[float, float, float, float, float, float] | None = None


def _as_raster(value: Any) -> Any:
    if isinstance(value, str):
        return {"files": [value]}
    return {"files": value} if isinstance(value, list | tuple) else value


#: A path, a list of paths, or the whole entry.
Files = Annotated[RasterEntry, BeforeValidator(_as_raster)]


class Join(Section):
    """A table (CSV) that knows more of the labelled things: its rows are found by ``key``, a column of both."""

    table: RawPath
    key: str


class GridEntry(Section):
    """Labels that are features of a file, not a raster, and the base grid that they are laid on.

    The grid is that of the modality ``grid``, or has cells of ``cell`` CRS units from the same corner: a whole multiple
    or fraction of that modality's pixels. ``attribute`` is the column that holds the class, in the file or in the table
    of ``join``; ``layer`` names one of a GeoPackage's layers; ``crs`` is that of a file that names none.
    """

    grid: Name
    cell: Annotated[float, Field(gt=0)] | None = None
    attribute: str
    layer: str | None = None
    join: Join | None = None
    crs: str | None = None


class PolygonEntry(GridEntry):
    """Polygons (Shapefile, GeoPackage, GeoJSON); a cell takes the class of the polygon that holds its centre.

    ``overlap`` decides where polygons of two classes overlap: such cells get no label, or the class of the smallest,
    largest, first or last polygon in the file.
    """

    noun: ClassVar = "polygon"

    polygons: RawPath
    overlap: Literal["unlabelled", "smallest", "largest", "first", "last"] = "unlabelled"

    @property
    def file(self) -> str:
        """The file that holds the polygons."""
        return self.polygons


class PointEntry(GridEntry):
    """Points (CSV, GeoJSON, GeoPackage, Shapefile); the cell that holds a point takes its class.

    ``x`` and ``y`` are a CSV's columns, by default ``x`` and ``y`` in the CRS of the grid, or ``lon`` and ``lat`` in
    EPSG:4326; ``crs`` says so where it is another.
    """

    noun: ClassVar = "point"

    points: RawPath
    x: str | None = None
    y: str | None = None

    @model_validator(mode="after")
    def _whole_pair(self) -> Self:
        if (self.x is None) != (self.y is None):
            raise ValueError("give both `x` and `y`, or neither")
        return self

    @property
    def file(self) -> str:
        """The file that holds the points."""
        return self.points


def _label_kind(value: Any) -> str:
    for kind, model in (("polygons", PolygonEntry), ("points", PointEntry)):
        if kind in value if isinstance(value, dict) else isinstance(value, model):
            return kind
    return "raster"


Labels = Annotated[
    Annotated[Files, Tag("raster")] | Annotated[PolygonEntry, Tag("polygons")] | Annotated[PointEntry, Tag("points")],
    Discriminator(_label_kind),
]


class SceneEntry(Section):
    """The raw files of one scene, by modality, and its labels. Derived modalities have no files."""

    acquired: date | tuple[date, date]
    rasters: Annotated[dict[Name, Files], Field(min_length=1)]
    labels: Labels

    @model_validator(mode="after")
    def _known_grid(self) -> Self:
        if isinstance(self.labels, GridEntry) and self.labels.grid not in self.rasters:
            raise ValueError(f"labels.grid names `{self.labels.grid}`, which is not among the scene's rasters")
        return self

    def paths(self) -> list[str]:
        """Every raw file that the entry names."""
        files = [path for entry in self.rasters.values() for path in entry.files]
        if isinstance(self.labels, RasterEntry):
            return [*files, *self.labels.files]
        files.append(self.labels.file)
        return [*files, self.labels.join.table] if self.labels.join else files
