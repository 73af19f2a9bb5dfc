"""What a finished map is: Cloud-Optimized GeoTIFFs, a style for QGIS, and a STAC item beside them."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from outcrop.field.journals import Journal
from outcrop.field.mapping import NODATA, STEPS
from outcrop.field.profiles import ModelProfile
from outcrop.field.scenes import MapScene
from outcrop.survey.grids import Nesting
from outcrop.survey.rasters import CLASS, Piece, write_cogs
from outcrop.survey.sites import Band, Raster


def write_map(scene: MapScene, profile: ModelProfile, journal: Journal, folder: Path, *, probabilities: bool) -> None:
    """Write a map whose blocks are all in the journal."""
    classes = [entry.name for entry in profile.classes]
    wanted = [
        ("class", ["class"], slice(0, 1)),
        ("confidence", ["confidence"], slice(1, 2)),
        ("unfamiliar", ["unfamiliar"], slice(2, 3)),
    ]
    if probabilities:
        wanted.append(("probability", classes, slice(3, None)))
    write_cogs([(_raster(name, bands, scene, folder), _pieces(journal, layers)) for name, bands, layers in wanted])


def _raster(name: str, bands: Sequence[str], scene: MapScene, folder: Path) -> Raster:
    shares = name in ("confidence", "probability")
    return Raster(
        name,
        folder / f"{name}.tif",
        scene.grid,
        Nesting(),
        tuple(Band(band) for band in bands),
        unit="1" if shares else CLASS,
        dtype="uint8",
        nodata=float(NODATA),
        scale=1 / STEPS if shares else 1.0,
    )


def _pieces(journal: Journal, layers: slice) -> Iterator[Piece]:
    for row, col in sorted(journal.records):
        yield row, col, journal.read(row, col)[layers]
