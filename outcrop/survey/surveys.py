"""A survey file: the vocabulary, the sensors, the sites and their raw files, and the parameters that differ."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from outcrop.errors import SurveyError
from outcrop.givens import CarbonInputs
from outcrop.params import Params, load_params
from outcrop.settings import Section, Share, build, merge, read_yaml
from outcrop.survey.cameras import CameraEntry
from outcrop.survey.entries import CarriedEntry, Name, RasterEntry, RawPath, SceneEntry, SceneName

#: Bands of a file, counted from 1: a number, or a range such as "4-9".
BandNumbers = Annotated[int, Field(ge=1)] | Annotated[str, Field(pattern=r"^[1-9]\d*-[1-9]\d*$")]
#: Where the three real surveys' raw files lie; paths in a survey file are relative to it.
DATA_VARIABLE = "OUTCROP_REAL_DATA"


class ClassEntry(Section):
    """A class: ``value`` is what a raw label raster holds for it; labels with words need none."""

    name: Name
    value: Annotated[int, Field(ge=0)] | None = None
    colour: Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]


class MeasuredEntry(CarriedEntry):
    """One sensor: its bands, and what values they can hold.

    Bands are those of a known ``sensor`` (all, or those that ``bands`` names), those that ``bands`` names, those of a
    table (``wavelengths``: a CSV with the columns ``centre_um`` and ``fwhm_um``, and ``band`` if they have names), or
    else what the file says. ``take`` chooses bands of the file, by number from 1 (``"4-9"``: a range).
    ``approximate`` says that the wavelengths are not the sensor's own.

    ``range`` is in ``unit``, after ``scale`` and ``offset``; ``nodata`` is the stored value that means "no data" when
    the file itself does not say so. ``log_floor`` stores the decimal logarithm of values, of the floor where they are
    lower; ``range`` is then that of the logarithm. ``resampling`` allows a raster that does not nest in the base grid,
    and says how it is resampled.
    """

    sensor: str | None = None
    bands: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    wavelengths: RawPath | None = None
    take: Annotated[tuple[BandNumbers, ...], Field(min_length=1)] | None = None
    approximate: bool = False
    unit: str
    range: tuple[float, float]
    nodata: float | None = None
    scale: float = 1.0
    offset: float = 0.0
    log_floor: Annotated[float, Field(gt=0)] | None = None
    resampling: Literal["nearest", "bilinear", "cubic", "average"] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.range[0] >= self.range[1]:
            raise ValueError("range must be [lowest, highest]")
        if self.scale == 0:
            raise ValueError("scale must not be 0")
        if self.wavelengths and (self.sensor or self.bands):
            raise ValueError("give either `wavelengths` or `sensor` and `bands`")
        return self


class DerivedEntry(CarriedEntry):
    """Computed from another: as a sensor sees it (``srf``; all its bands, or ``bands``), its ``bands``, or a measure.

    ``unit`` and ``range`` are by default those of the modality it comes from; of ``slope`` (degrees) 0 to 90, of
    ``roughness`` the unit of the elevation, 0 to its whole range.
    """

    from_: Name = Field(alias="from")
    srf: str | None = None
    bands: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    measure: Literal["slope", "roughness"] | None = None
    unit: str | None = None
    range: tuple[float, float] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.measure is None) == (self.srf is None and self.bands is None):
            raise ValueError("give `srf`, `bands`, or `srf` with some of its `bands`; else `measure`")
        if self.range is not None and self.range[0] >= self.range[1]:
            raise ValueError("range must be [lowest, highest]")
        return self


def _modality_kind(value: Any) -> str:
    derived = "from" in value if isinstance(value, dict) else isinstance(value, DerivedEntry)
    return "derived" if derived else "measured"


ModalityEntry = Annotated[
    Annotated[MeasuredEntry, Tag("measured")] | Annotated[DerivedEntry, Tag("derived")],
    Discriminator(_modality_kind),
]


class SiteMonitor(Section):
    """What is known of one site for its estimates: ``inputs`` over those of the parameters' section `monitor`."""

    inputs: CarbonInputs


class SiteEntry(Section):
    """One place. Without ``scenes`` the site is built by ``dvc repro`` (see ``dvc.yaml``).

    ``split`` limits which splits the site's blocks may go to, with their shares; default: ``split.fractions``. Nothing
    is trained on ``cameras`` and ``monitor``, so no digest knows them.
    """

    title: str = ""
    split: dict[Literal["train", "val", "test"], Share] | None = None
    scenes: dict[SceneName, SceneEntry] = Field(default_factory=dict)
    cameras: dict[Name, CameraEntry] = Field(default_factory=dict, exclude=True)
    monitor: SiteMonitor = Field(default=SiteMonitor(inputs={}), exclude=True)

    @field_validator("split")
    @classmethod
    def _sum_to_one(cls, value: dict[str, float] | None) -> dict[str, float] | None:
        if value is not None and abs(sum(value.values()) - 1) > 1e-6:
            raise ValueError("the shares must sum to 1")
        return value


class Survey(Section):
    """All sites of one project, one class vocabulary."""

    survey: Name
    title: str = ""
    licence: str = "proprietary"
    source: str = ""
    classes: Annotated[tuple[ClassEntry, ...], Field(min_length=2, max_length=255)]
    modalities: Annotated[dict[Name, ModalityEntry], Field(min_length=1)]
    sites: Annotated[dict[Name, SiteEntry], Field(min_length=1)]
    #: What labels in words mean, where they are not the classes' own names; None: no label.
    mapping: dict[str, Name | None] = Field(default_factory=dict)
    #: Folder of what is expected of the data, relative to the workspace.
    expectations: str = "data/expectations"
    params: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for key in ("name", "value"):
            counts = Counter(item for entry in self.classes if (item := getattr(entry, key)) is not None)
            twice = [item for item, count in counts.items() if count > 1]
            if twice:
                raise ValueError(f"{key} {twice[0]!r} occurs twice in classes")
        names = {entry.name for entry in self.classes}
        for word, target in self.mapping.items():
            if target is not None and target not in names:
                raise ValueError(f"mapping.{word} leads to {target!r}, which is not among the classes")
        self._check_modalities()
        for site, place in self.sites.items():
            for scene, files in place.scenes.items():
                self._check_scene(f"sites.{site}.{scene}", files)
        return self

    def _check_modalities(self) -> None:
        for name, entry in self.modalities.items():
            seen = {name}
            while isinstance(entry, DerivedEntry):
                if entry.from_ not in self.modalities:
                    raise ValueError(f"modalities.{name} comes from `{entry.from_}`, which is not declared")
                if entry.from_ in seen:
                    raise ValueError(f"modalities.{name} is derived from itself")
                seen.add(entry.from_)
                entry = self.modalities[entry.from_]
        for name, entry in self.modalities.items():
            carrier = self.modalities.get(entry.carried_by) if entry.carried_by else None
            if entry.carried_by and (not isinstance(carrier, MeasuredEntry) or carrier.carried_by):
                raise ValueError(f"modalities.{name} is carried by `{entry.carried_by}`, which is no sensor of its own")

    def _check_scene(self, where: str, files: SceneEntry) -> None:
        unknown = set(files.rasters) - set(self.modalities)
        if unknown:
            raise ValueError(f"{where} names a modality that is not declared: {min(unknown)}")
        measured = {name for name, entry in self.modalities.items() if isinstance(entry, MeasuredEntry)}
        if derived := set(files.rasters) - measured:
            raise ValueError(f"{where} names files of {min(derived)}, which is derived")
        if isinstance(files.labels, RasterEntry) and any(entry.value is None for entry in self.classes):
            raise ValueError(f"{where} has a raster of labels, but a class has no `value`")


def load_survey(
    path: Path, params_path: Path, overrides: Mapping[str, Any] = MappingProxyType({})
) -> tuple[Survey, Params]:
    """Read a survey file and the parameters it implies; ``overrides`` come last.

    Raises
    ------
    SurveyError, ParamsError : one sentence on the first thing that is wrong.
    """
    survey = build(Survey, read_yaml(path, SurveyError), path, SurveyError)
    params = load_params(params_path, merge(survey.params, overrides))
    asked = merge(survey.params, overrides).get("distil", {})
    listed = params.distil.rungs if isinstance(asked, Mapping) and "rungs" in asked else ()
    unknown = {name for rung in listed if rung != "all" for name in rung} - set(survey.modalities)
    if unknown:
        raise SurveyError(
            f"modality `{min(unknown)}` of a rung is not among the survey's modalities {sorted(survey.modalities)}",
            where=path,
            remedy="declare it under modalities or change distil.rungs",
        )
    return survey, params
