"""What a site's STAC files must say, and reading them: plain JSON in, checked values out, no network, no other file."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from outcrop.errors import SiteError
from outcrop.settings import build

#: What to do about a site that is not as its manifest says; ingest never repairs one, for it would move its splits.
RESTORE = "restore it with `dvc checkout`, or delete the site's folder and ingest it again"
#: A manifest is text that names rasters; one larger than this was not written by us.
LARGEST_MB = 64


def _relative(href: str) -> str:
    parts = href.split("/")
    if not href or parts[0] == "" or ".." in parts or ":" in href or "\\" in href or "\0" in href:
        raise ValueError("a link must be a path inside the site's folder")
    return href


Href = Annotated[str, AfterValidator(_relative)]
Manifest = TypeVar("Manifest", bound=BaseModel)


class Part(BaseModel):
    """A part of a manifest. STAC allows fields that we do not know."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Link(Part):
    """A STAC link; only those to items are followed."""

    rel: str
    href: str


class BandPart(Part):
    """One band of an asset."""

    name: str
    centre_um: float | None = Field(default=None, alias="eo:center_wavelength")
    fwhm_um: float | None = Field(default=None, alias="eo:full_width_half_max")


class ClassPart(Part):
    """One value of an asset of classes."""

    value: Annotated[int, Field(ge=0, le=255)]
    name: str
    colour: str = Field(default="", alias="color_hint")
    nodata: bool = False


class AssetPart(Part):
    """One raster."""

    href: Href
    roles: tuple[str, ...] = ()
    shape: tuple[int, int] = Field(alias="proj:shape")
    transform: Annotated[tuple[float, ...], Field(min_length=6)] = Field(alias="proj:transform")
    bands: Annotated[tuple[BandPart, ...], Field(min_length=1)]
    dtype: str = Field(alias="data_type")
    unit: str = ""
    nodata: float | None = None
    scale: float = Field(default=1.0, alias="raster:scale")
    offset: float = Field(default=0.0, alias="raster:offset")
    derived_from: str | None = Field(default=None, alias="outcrop:derived_from")
    approximate: bool = Field(default=False, alias="outcrop:approximate")
    notes: tuple[str, ...] = Field(default=(), alias="outcrop:notes")
    classes: tuple[ClassPart, ...] = Field(default=(), alias="classification:classes")


class Properties(Part):
    """When a scene was acquired, and the CRS of all its rasters: a code, or WKT for one without code."""

    start_datetime: str
    end_datetime: str
    code: str | None = Field(alias="proj:code")
    wkt: str | None = Field(default=None, alias="proj:wkt2")


class SceneItem(Part):
    """One scene as a map needs it: rasters, perhaps without labels."""

    type: Literal["Feature"]
    id: str
    properties: Properties
    assets: dict[str, AssetPart]


class ItemPart(SceneItem):
    """One scene of a site."""

    @field_validator("assets")
    @classmethod
    def _complete(cls, assets: dict[str, AssetPart]) -> dict[str, AssetPart]:
        for name in ("labels", "split"):
            if name not in assets:
                raise ValueError(f"the scene has no `{name}`")
        if not any("data" in asset.roles for asset in assets.values()):
            raise ValueError("the scene has no modality")
        return assets


class CollectionPart(Part):
    """One site."""

    type: Literal["Collection"]
    stac_version: Annotated[str, Field(pattern=r"^1\.")]
    id: str
    links: tuple[Link, ...]
    survey: str = Field(alias="outcrop:survey")
    block: Annotated[int, Field(ge=1)] = Field(alias="outcrop:block")
    buffer: Annotated[int, Field(ge=0)] = Field(alias="outcrop:buffer")


def read_manifest(model: type[Manifest], path: Path) -> Manifest:
    """Read one STAC file of a site and check that it says what ours say.

    Raises
    ------
    SiteError : the file is missing, not JSON, or not a manifest of ours.
    """
    try:
        if path.stat().st_size > LARGEST_MB << 20:
            raise SiteError(f"the manifest is larger than {LARGEST_MB} MB", where=path, remedy=RESTORE)
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as cause:
        raise SiteError("the site has no readable manifest", where=path, remedy=RESTORE) from cause
    except (ValueError, RecursionError) as cause:
        raise SiteError("the site's manifest is not valid JSON", where=path, remedy=RESTORE) from cause
    if not isinstance(content, dict):
        raise SiteError("the site's manifest is not a STAC object", where=path, remedy=RESTORE)
    values: dict[str, Any] = content
    return build(model, values, path, SiteError)


def item_hrefs(collection: CollectionPart, path: Path) -> list[str]:
    """Links from a site's manifest to its scenes.

    Raises
    ------
    SiteError : a link leads out of the site's folder, or there is none.
    """
    hrefs = [link.href for link in collection.links if link.rel == "item"]
    if not hrefs:
        raise SiteError("the site has no scenes", where=path, remedy=RESTORE)
    for href in hrefs:
        try:
            _relative(href)
        except ValueError as cause:
            raise SiteError(f"the link {href!r} leaves the site's folder", where=path, remedy=RESTORE) from cause
    return hrefs
