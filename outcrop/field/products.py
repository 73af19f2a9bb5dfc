"""What a finished map is: Cloud-Optimized GeoTIFFs, styles for QGIS, and a STAC item that says what they hold."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

from outcrop.field.journals import Journal
from outcrop.field.mapping import CLASS, CONFIDENCE, NODATA, PROBABILITIES, STEPS, UNFAMILIAR
from outcrop.field.profiles import ModelProfile
from outcrop.field.scenes import MapScene
from outcrop.survey.grids import Nesting
from outcrop.survey.rasters import CLASS as CLASS_UNIT
from outcrop.survey.rasters import Piece, write_cogs
from outcrop.survey.sites import Band, LabelClass, Raster

#: The STAC item of a map, by which its folder is known to be one.
ITEM = "map.json"
FAMILIAR = (LabelClass("familiar", 0, "#f2f2f2"), LabelClass("unfamiliar", 1, "#d01c8b"))
EXTENSION = "https://stac-extensions.github.io/{}/v2.0.0/schema.json"


@dataclass(frozen=True)
class Product:
    """One raster of a map: its bands, and the layers of a block that they come from."""

    name: str
    bands: tuple[str, ...]
    layers: slice
    title: str
    legend: tuple[LabelClass, ...] = ()

    def raster(self, scene: MapScene, folder: Path) -> Raster:
        """Its layout on the base grid."""
        return Raster(
            self.name,
            folder / f"{self.name}.tif",
            scene.grid,
            Nesting(),
            tuple(Band(band) for band in self.bands),
            unit=CLASS_UNIT if self.legend else "1",
            dtype="uint8",
            nodata=float(NODATA),
            scale=1.0 if self.legend else 1 / STEPS,
            legend=self.legend,
        )


def products_of(profile: ModelProfile, *, probabilities: bool, familiarity: bool) -> list[Product]:
    """The rasters of a map."""
    classes = tuple(LabelClass(entry.name, value, entry.colour) for value, entry in enumerate(profile.classes))
    names = tuple(entry.name for entry in classes)
    made = [
        Product("class", ("class",), slice(CLASS, CLASS + 1), "Most probable class", classes),
        Product("confidence", ("confidence",), slice(CONFIDENCE, CONFIDENCE + 1), "Probability of that class"),
    ]
    if familiarity:
        title = "Where the ground is not like the training data"
        made.append(Product("unfamiliar", ("unfamiliar",), slice(UNFAMILIAR, UNFAMILIAR + 1), title, FAMILIAR))
    if probabilities:
        made.append(Product("probability", names, slice(PROBABILITIES, None), "Probability of every class"))
    return made


def write_map(
    scene: MapScene, products: Sequence[Product], journal: Journal, folder: Path, lineage: Mapping[str, Any]
) -> None:
    """Write a map whose blocks are all in the journal.

    Raises
    ------
    WorkspaceError : a file cannot be written.
    """
    write_cogs([(product.raster(scene, folder), _pieces(journal, product.layers)) for product in products])
    for product in products:
        if product.legend:
            (folder / f"{product.name}.qml").write_text(_style(product.legend), encoding="utf-8")
    item = _item(scene, products, lineage)
    (folder / ITEM).write_text(json.dumps(item, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _pieces(journal: Journal, layers: slice) -> Iterator[Piece]:
    for row, col in sorted(journal.records):
        yield row, col, journal.read(row, col)[layers]


def _style(legend: Sequence[LabelClass]) -> str:
    """A QGIS style that names the classes; QGIS takes it up with the raster beside it."""
    entries = "\n".join(
        f'      <paletteEntry value="{entry.value}" color="{escape(entry.colour)}" alpha="255" '
        f'label="{escape(entry.name.replace("_", " "))}"/>'
        for entry in legend
    )
    return f"""<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>
<qgis version="3.28" styleCategories="Symbology">
  <pipe>
    <rasterrenderer type="paletted" band="1" opacity="1" alphaBand="-1" nodataColor="">
    <colorPalette>
{entries}
    </colorPalette>
    </rasterrenderer>
  </pipe>
</qgis>
"""


def _item(scene: MapScene, products: Sequence[Product], lineage: Mapping[str, Any]) -> dict[str, Any]:
    from outcrop.survey.catalogues import (
        footprint,
        projection,
    )  # brings pystac, which the first block need not wait for

    geometry, box = footprint(scene.grid)
    code, wkt = projection(scene.grid)
    item: dict[str, Any] = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": [EXTENSION.format(name) for name in ("raster", "projection", "classification")],
        "id": f"{scene.name}-map",
        "geometry": geometry,
        "properties": {**_when(scene), "proj:code": code, **({"proj:wkt2": wkt} if wkt else {}), **lineage},
        "links": [],
        "assets": {product.name: _asset(product, scene) for product in products},
    }
    return item | ({"bbox": box} if box else {})


def _when(scene: MapScene) -> dict[str, Any]:
    """When the scene was acquired; of a plain raster nothing is known but that its file is so old."""
    if scene.acquired:
        return {"datetime": None, "start_datetime": scene.acquired[0], "end_datetime": scene.acquired[1]}
    newest = max(layer.raster.path.stat().st_mtime for layer in scene.layers.values())
    written = datetime.fromtimestamp(int(newest), UTC).isoformat().replace("+00:00", "Z")
    return {"datetime": written, "outcrop:datetime_of": "the scene's file"}


def _asset(product: Product, scene: MapScene) -> dict[str, Any]:
    asset: dict[str, Any] = {
        "href": f"./{product.name}.tif",
        "type": "image/tiff; application=geotiff; profile=cloud-optimized",
        "title": product.title,
        "roles": ["data"],
        "proj:shape": [scene.grid.height, scene.grid.width],
        "proj:transform": list(scene.grid.transform)[:6],
        "data_type": "uint8",
        "nodata": NODATA,
        "bands": [{"name": band} for band in product.bands],
    }
    if product.legend:
        return asset | {
            "classification:classes": [
                {"value": c.value, "name": c.name, "description": c.name.replace("_", " "), "color_hint": c.colour[1:]}
                for c in product.legend
            ]
        }
    return asset | {"raster:scale": 1 / STEPS}
