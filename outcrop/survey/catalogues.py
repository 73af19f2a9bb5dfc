"""Writing a site's STAC manifests, so that any catalogue reader or GIS finds its rasters and knows what they hold.

Nothing in them depends on the clock or on where the site lies: the same rasters give the same bytes.
"""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import pystac
from rasterio.errors import CRSError
from rasterio.warp import transform as transform_points

from outcrop.errors import SiteError
from outcrop.survey.declarations import declare
from outcrop.survey.grids import Grid
from outcrop.survey.rasters import class_raster
from outcrop.survey.sites import MANIFEST, NO_LABEL, SPLITS, Raster, Scene, Site
from outcrop.survey.surveys import Survey

EXTENSION = "https://stac-extensions.github.io/{}/v2.0.0/schema.json"
#: A collection must have an extent; that of a site without a CRS says nothing.
ANYWHERE = [-180.0, -90.0, 180.0, 90.0]
SPLIT_COLOURS = {"none": "#000000", "train": "#3b6fb6", "val": "#e0a030", "test": "#c0392b"}


def write_site(site: Site, survey: Survey) -> None:
    """Write the collection and the items of a site whose rasters are written, into ``site.path``."""
    items = [_item(scene, site, survey) for scene in site.scenes]
    collection = _collection(site, survey, items)
    collection.normalize_hrefs(str(site.path / MANIFEST))
    for item, scene in zip(items, site.scenes, strict=True):
        item.assets = {key: pystac.Asset.from_dict(asset) for key, asset in _assets(scene, site, survey).items()}
    collection.catalog_type = pystac.CatalogType.SELF_CONTAINED
    for part in (collection, *items):
        _write_json(Path(part.get_self_href() or ""), part.to_dict(include_self_link=False))


def _collection(site: Site, survey: Survey, items: list[pystac.Item]) -> pystac.Collection:
    entry = survey.sites[site.name]
    boxes = [item.bbox for item in items if item.bbox]
    days = [day for scene in site.scenes for day in _acquired(scene)]
    collection = pystac.Collection(
        id=site.name,
        title=entry.title or site.name,
        description=entry.title or f"Site {site.name} of the survey {survey.title or survey.survey}",
        license=survey.licence,
        extent=pystac.Extent(
            pystac.SpatialExtent([_union(boxes) if boxes else ANYWHERE]),
            pystac.TemporalExtent([[_first(min(days)), _last(max(days))]]),
        ),
        providers=[pystac.Provider(survey.source, roles=[pystac.ProviderRole.PRODUCER])] if survey.source else None,
    )
    collection.extra_fields |= {
        "outcrop:survey": site.survey,
        "outcrop:block": site.block,
        "outcrop:buffer": site.buffer,
    }
    collection.add_items(items)
    return collection


def _item(scene: Scene, site: Site, survey: Survey) -> pystac.Item:
    geometry, box = footprint(scene.grid)
    first, last = _acquired(scene)
    code, wkt = projection(scene.grid)
    properties: dict[str, Any] = {"proj:code": code}
    if wkt:
        properties["proj:wkt2"] = wkt
    return pystac.Item(
        id=scene.id,
        geometry=geometry,
        bbox=box,
        datetime=None,
        start_datetime=_first(first),
        end_datetime=_last(last),
        properties=properties,
        stac_extensions=_extensions(scene),
    )


def _extensions(scene: Scene) -> list[str]:
    wavelengths = any(band.centre_um is not None for raster in scene.rasters.values() for band in raster.bands)
    names = ["raster", "projection", "classification", *(["eo"] if wavelengths else [])]
    return [EXTENSION.format(name) for name in names]


def _assets(scene: Scene, site: Site, survey: Survey) -> dict[str, dict[str, Any]]:
    assets = {
        modality: _asset(raster) | {"outcrop:range": list(declare(survey, modality).range)}
        for modality, raster in scene.rasters.items()
    }
    assets |= {name: _asset(raster) | {"roles": ["truth"]} for name, raster in scene.truth.items()}
    classes = [_class(c.value, c.name, c.colour) for c in site.classes]
    labels = _asset(replace(class_raster("labels", scene.labels, scene.grid, NO_LABEL), notes=scene.notes))
    assets["labels"] = labels | {
        "roles": ["labels"],
        "classification:classes": [*classes, _class(NO_LABEL, "none", "#ffffff") | {"nodata": True}],
    }
    split = _asset(class_raster("split", scene.split, scene.grid, 0))
    assets["split"] = split | {
        "roles": ["split"],
        "classification:classes": [
            _class(value, name, SPLIT_COLOURS[name]) for name, value in {"none": 0, **SPLITS}.items()
        ],
    }
    return assets


def _asset(raster: Raster) -> dict[str, Any]:
    asset: dict[str, Any] = {
        "href": f"./{raster.path.name}",
        "type": pystac.MediaType.COG,
        "title": raster.modality,
        "roles": ["data"],
        "proj:shape": [raster.grid.height, raster.grid.width],
        "proj:transform": list(raster.grid.transform)[:6],
        "data_type": raster.dtype,
        "unit": raster.unit,
        "raster:scale": raster.scale,
        "raster:offset": raster.offset,
        "bands": [_band(band.name, band.centre_um, band.fwhm_um) for band in raster.bands],
        "outcrop:nesting": {
            "fine": raster.nesting.fine,
            "coarse": raster.nesting.coarse,
            "row": raster.nesting.row,
            "col": raster.nesting.col,
        },
    }
    if raster.nodata is not None:
        # JSON has no NaN; STAC writes it as a word.
        asset["nodata"] = "nan" if raster.nodata != raster.nodata else raster.nodata
    if raster.derived_from:
        asset["outcrop:derived_from"] = raster.derived_from
    if raster.approximate:
        asset["outcrop:approximate"] = True
    if raster.notes:
        asset["outcrop:notes"] = list(raster.notes)
    return asset


def _band(name: str, centre: float | None, width: float | None) -> dict[str, Any]:
    band: dict[str, Any] = {"name": name}
    if centre is not None:
        band["eo:center_wavelength"] = centre
    if width is not None:
        band["eo:full_width_half_max"] = width
    return band


def _class(value: int, name: str, colour: str) -> dict[str, Any]:
    title = name.replace("_", " ")
    return {"value": value, "name": name, "description": title, "color_hint": colour.removeprefix("#").upper()}


def footprint(grid: Grid) -> tuple[dict[str, Any] | None, list[float] | None]:
    """Outline and bounding box of a grid in EPSG:4326, None where it has no place on Earth."""
    if grid.crs is None:
        return None, None
    left, bottom, right, top = grid.bounds
    try:
        xs, ys = transform_points(grid.crs, "EPSG:4326", [left, right, right, left], [bottom, bottom, top, top])
    except CRSError:
        return None, None
    # Seven decimals are a centimetre; more would only record the version of PROJ.
    corners = [[round(x, 7), round(y, 7)] for x, y in zip(xs, ys, strict=True)]
    lons, lats = zip(*corners, strict=True)
    outline = {"type": "Polygon", "coordinates": [[*corners, corners[0]]]}
    return outline, [min(lons), min(lats), max(lons), max(lats)]


def _union(boxes: list[list[float]]) -> list[float]:
    wests, souths, easts, norths = zip(*boxes, strict=True)
    return [min(wests), min(souths), max(easts), max(norths)]


def projection(grid: Grid) -> tuple[str | None, str | None]:
    """``proj:code`` of a grid, and its WKT where its CRS has no code."""
    if grid.crs is None or grid.crs.startswith("EPSG:"):
        return grid.crs, None
    return None, grid.crs


def _acquired(scene: Scene) -> tuple[date, date]:
    if scene.acquired is None:
        raise SiteError(f"the scene `{scene.id}` has no date", remedy="say when it was acquired")
    return scene.acquired


def _first(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)


def _last(day: date) -> datetime:
    return datetime.combine(day, time(23, 59, 59), UTC)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
