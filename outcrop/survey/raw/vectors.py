"""Features as a user brings them: polygons and points from Shapefiles, GeoPackages, GeoJSON and (points) CSV tables.

No other format is opened. GDAL chooses a driver by what a file holds, and some drivers (VRT, GDALG) go on to whatever
path or address stands there; therefore suffix and content must agree. GeoJSON is read without GDAL, which would take a
VRT in disguise for what it is, and follow the address of a CRS into the network.
"""

import json
import sqlite3
from contextlib import closing
from functools import lru_cache
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from shapely.errors import ShapelyError

from outcrop.errors import DataError, SurveyError
from outcrop.survey.entries import PointEntry, PolygonEntry
from outcrop.survey.raw.csvfiles import column, listed, read_table
from outcrop.survey.raw.sources import raw_file

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd

FORMATS = {".shp": "Shapefile", ".gpkg": "GeoPackage", ".geojson": "GeoJSON", ".json": "GeoJSON"}
KINDS = {"polygon": {"Polygon", "MultiPolygon"}, "point": {"Point", "MultiPoint"}}
#: pyogrio takes what follows these for an archive's content or for parameters.
MISREAD = set("!;")
LON_LAT = ("lon", "lat")
#: What the readers raise for a file that is not what it should be.
MALFORMED = (RuntimeError, ValueError, OSError, ShapelyError, sqlite3.DatabaseError)
#: Finds a layer that is a table: neither a view nor what a module of SQLite's makes up.
STORED = """SELECT 1 FROM sqlite_master
    WHERE type = 'table' AND name = ? COLLATE NOCASE AND sql NOT LIKE 'CREATE VIRTUAL%'"""


def read_features(entry: PolygonEntry | PointEntry, raw: Path, crs: str | None) -> "gpd.GeoDataFrame":
    """Read all features of a file. What is read is kept for the next scene, hence not to be changed.

    Parameters
    ----------
    crs : of the grid that the features will be laid on; None where it has none, and then they may not have one either

    Returns
    -------
    polygons (`MultiPolygon` too) or single points with finite coordinates and their attributes, by feature id (of a
    CSV: by line)

    Raises
    ------
    SurveyError : the file, its layer or a column is missing, or its geometries or its CRS are not the expected ones.
    DataError : the file is not what its suffix says, is damaged, or has features without (finite) coordinates.
    """
    path = raw_file(raw, entry.file)
    named = _named_crs(entry, path)
    if path.suffix.lower() == ".csv" and isinstance(entry, PointEntry):
        features = _read_points(entry, path, named or crs)
    else:
        features = _read_vectors(entry, raw, path)
    if features.empty:
        raise DataError("the file holds no features", where=path, remedy="export it again")
    _check_geometries(features, entry.noun, path)
    features = _settle_crs(features, named, path)
    _check_crs(features.crs, crs, entry.noun, path)
    return features.explode() if entry.noun == "point" else features


def counted(number: int, noun: str) -> str:
    """``1 point``, ``2 points``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def crs_label(crs: Any) -> str:
    """A CRS (of pyproj) as an error or a note names it."""
    code = crs.to_epsg()
    return f"EPSG:{code}" if code else str(crs.name)


def _read_points(entry: PointEntry, path: Path, crs: str | None) -> "gpd.GeoDataFrame":
    import geopandas as gpd
    import pandas as pd

    if entry.layer is not None:
        raise SurveyError("a table has no layers", where=path, remedy="remove `layer`")
    table = read_table(path)
    pair = _coordinate_columns(entry, table, path)
    x, y = (pd.to_numeric(column(table, name, path), errors="coerce").astype(float) for name in pair)
    wrong = ~(np.isfinite(x) & np.isfinite(y))
    if wrong.any():
        line = table.index[wrong][0]
        first = ", ".join(f"{str(table.at[line, name])[:40]!r}" for name in pair)
        raise DataError(
            f"{counted(int(wrong.sum()), 'line')} without numbers as coordinates, the first is line {line} ({first})",
            where=path,
            remedy="correct them, with a point for decimals, or leave them out",
        )
    if pair == LON_LAT and entry.crs is None:
        crs = "EPSG:4326"
    return gpd.GeoDataFrame(table, geometry=gpd.points_from_xy(x, y), crs=crs)


def _coordinate_columns(entry: PointEntry, table: "pd.DataFrame", path: Path) -> tuple[str, str]:
    if entry.x is not None and entry.y is not None:
        return entry.x, entry.y
    for pair in (("x", "y"), LON_LAT):
        if set(pair) <= set(table.columns):
            return pair
    raise SurveyError(
        f"the table has no columns `x` and `y`, nor `lon` and `lat`, only {listed(table.columns)}",
        where=path,
        remedy="name the coordinates' columns as `x` and `y` of the labels",
    )


def _read_vectors(entry: PolygonEntry | PointEntry, raw: Path, path: Path) -> "gpd.GeoDataFrame":
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        known = "Shapefile, GeoPackage or GeoJSON" + (" or CSV" if isinstance(entry, PointEntry) else "")
        raise SurveyError(f"`{suffix}` files are not read as {entry.noun}s", where=path, remedy=f"export it as {known}")
    if isinstance(entry, PointEntry) and entry.x is not None:
        raise SurveyError("`x` and `y` are columns of a CSV, which this is not", where=path, remedy="remove them")
    if entry.layer is not None and suffix != ".gpkg":
        raise SurveyError("only a GeoPackage has layers", where=path, remedy="remove `layer`")
    parts = _parts(raw, path)
    missing = {".shx", ".dbf"} - {part.suffix.lower() for part in parts}
    if missing and suffix == ".shp":
        raise SurveyError(f"the Shapefile's {min(missing)} is missing", where=path, remedy="copy all of its files")
    stamps = tuple((part.stat().st_mtime_ns, part.stat().st_size) for part in parts)
    return _read(path, FORMATS[suffix], entry.layer, stamps)


def _parts(raw: Path, path: Path) -> list[Path]:
    """A file and those beside it that GDAL reads with it, made sure to lie in the data folder."""
    parts = sorted(part for part in path.parent.glob(f"{escape(path.stem)}.*") if not part.is_dir())
    return [raw_file(raw, part.relative_to(raw).as_posix()) for part in parts]


@lru_cache(maxsize=2)
def _read(path: Path, kind: str, layer: str | None, stamps: tuple[tuple[int, int], ...]) -> "gpd.GeoDataFrame":
    try:
        return _read_geojson(path) if kind == "GeoJSON" else _read_dataset(path, kind, layer)
    except MALFORMED as cause:
        raise _unreadable(path, kind) from cause


def _unreadable(path: Path, kind: str) -> DataError:
    return DataError(f"the file is not a readable {kind}", where=path, remedy="copy or export it again")


def _read_geojson(path: Path) -> "gpd.GeoDataFrame":
    import geopandas as gpd  # heavy, and needed only for such labels

    try:
        collection = json.loads(path.read_bytes())
        crs = collection["crs"]["properties"]["name"] if collection.get("crs") else "CRS84"
        # GeoJSON's own CRS, which GDAL writes out as a name, is EPSG:4326 but for the order of its axes.
        crs = "EPSG:4326" if crs.endswith("CRS84") else crs
        return gpd.GeoDataFrame.from_features(collection["features"], crs=crs)
    except (LookupError, TypeError, AttributeError) as cause:  # JSON of another shape
        raise _unreadable(path, "GeoJSON") from cause


def _read_dataset(path: Path, kind: str, layer: str | None) -> "gpd.GeoDataFrame":
    import geopandas as gpd

    with path.open("rb") as file:
        head = file.read(72)
    if kind == "GeoPackage":
        fits, name = head.startswith(b"SQLite format 3\x00") and head[68:70] == b"GP", f"GPKG:{path.absolute()}"
    else:
        fits, name = head.startswith(b"\x00\x00\x27\x0a"), str(path.absolute())
    if not fits:
        raise _unreadable(path, kind)
    if MISREAD & set(name):
        raise SurveyError("the path holds a `!` or `;`", where=path, remedy="rename the file or its folder")
    if kind == "GeoPackage":
        layer = _choose_layer(name, path, layer)
        _refuse_computed(path, layer)
    features = gpd.read_file(name, layer=layer, fid_as_index=True, engine="pyogrio")
    if not isinstance(features, gpd.GeoDataFrame):
        raise SurveyError("the file holds a table without geometries", where=path, remedy="export the features")
    return features


def _refuse_computed(path: Path, layer: str) -> None:
    """Refuse a layer that SQLite computes: a few bytes may make rows without end, or one that fills the memory."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
        stored = database.execute(STORED, (layer,)).fetchone()
        computed = database.execute("SELECT name FROM pragma_table_xinfo(?) WHERE hidden > 1", (layer,)).fetchone()
    if stored is None or computed is not None:
        what = f"the layer `{layer}`" if stored is None else f"the column `{computed[0]}`"
        raise SurveyError(f"{what} is computed, not stored", where=path, remedy="export the features as a table")


def _choose_layer(name: str, path: Path, layer: str | None) -> str:
    import pyogrio

    layers = [str(each) for each, kind in pyogrio.list_layers(name) if kind is not None]
    if layer is None and len(layers) == 1:
        return layers[0]
    if layer not in layers:
        what = f"there is no layer `{layer}`" if layer else "`layer` names none of the file's layers"
        raise SurveyError(f"{what}, only {listed(layers)}", where=path, remedy="choose one")
    return layer


def _check_geometries(features: "gpd.GeoDataFrame", noun: str, path: Path) -> None:
    lost = ~np.isfinite(shapely.bounds(features.geometry.to_numpy())).all(axis=1)
    if lost.any():
        raise DataError(
            f"{counted(int(lost.sum()), 'feature')} without finite coordinates, the first is {features.index[lost][0]}",
            where=path,
            remedy="delete or redraw them, or copy the file again",
        )
    others = sorted(set(features.geom_type) - KINDS[noun])
    if others:
        raise SurveyError(
            f"the file holds features of type {others[0]}, not {noun}s alone", where=path, remedy="take another file"
        )


def _named_crs(entry: PolygonEntry | PointEntry, path: Path) -> Any:
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        return None if entry.crs is None else CRS.from_user_input(entry.crs)
    except CRSError as cause:
        raise SurveyError(
            f"the CRS `{entry.crs}` is not known", where=path, remedy="write it as EPSG:number"
        ) from cause


def _settle_crs(features: "gpd.GeoDataFrame", named: Any, path: Path) -> "gpd.GeoDataFrame":
    """The features, in the CRS that the survey names where the file names none."""
    if named is None:
        return features
    if features.crs is not None and not features.crs.equals(named, ignore_axis_order=True):
        raise SurveyError(
            f"the file is in {crs_label(features.crs)}, the survey says {crs_label(named)}",
            where=path,
            remedy="remove `crs` of the labels",
        )
    return features.set_crs(named, allow_override=True)


def _check_crs(theirs: Any, ours: str | None, noun: str, path: Path) -> None:
    if theirs is None and ours is not None:
        raise SurveyError(
            f"the {noun}s have no CRS, the grid has one",
            where=path,
            remedy="assign it, or name it as `crs` of the labels",
        )
    if theirs is not None and ours is None:
        raise SurveyError(
            f"the {noun}s are in {crs_label(theirs)}, the grid has no CRS",
            where=path,
            remedy="give the grid's raster its CRS, or both none",
        )
