"""A survey file: the vocabulary, the sensors, the sites and their raw files, and the parameters that differ."""

from collections import Counter
from collections.abc import Mapping
from datetime import date
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from outcrop.errors import SurveyError
from outcrop.params import Params, Section, Share, build, load_params, merge, read_yaml

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
#: Where the three real surveys' raw files lie; paths in a survey file are relative to it.
DATA_VARIABLE = "OUTCROP_REAL_DATA"


class ClassEntry(Section):
    """A class: ``value`` is what the raw label raster holds for it."""

    name: Name
    value: Annotated[int, Field(ge=0)]
    colour: Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]


class ModalityEntry(Section):
    """One sensor: how many bands to expect, their names or a known sensor's, and what values they can hold.

    ``range`` is in ``unit``, after ``scale`` and ``offset``; ``nodata`` is the stored value that means "no data" when
    the file itself does not say so.
    """

    sensor: str | None = None
    bands: tuple[str, ...] | None = None
    unit: str
    range: tuple[float, float]
    nodata: float | None = None
    scale: float = 1.0
    offset: float = 0.0

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.range[0] >= self.range[1]:
            raise ValueError("range must be [lowest, highest]")
        if self.scale == 0:
            raise ValueError("scale must not be 0")
        if (self.sensor is None) == (self.bands is None):
            raise ValueError("give either `sensor` or `bands`")
        return self


class SceneEntry(Section):
    """The raw files of one scene, by modality, and the raster of its labels."""

    acquired: date | tuple[date, date]
    rasters: Annotated[dict[Name, str], Field(min_length=1)]
    labels: str

    @field_validator("rasters", "labels")
    @classmethod
    def _inside(cls, value: Any) -> Any:
        for path in value.values() if isinstance(value, dict) else [value]:
            if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
                raise ValueError("a raw file's path must be relative to the data folder and stay in it")
        return value


class SiteEntry(Section):
    """One place. Without ``scenes`` the site is built by ``dvc repro`` (see ``dvc.yaml``).

    ``split`` limits which splits the site's blocks may go to, with their shares; default: ``split.fractions``.
    """

    title: str = ""
    split: dict[Literal["train", "val", "test"], Share] | None = None
    scenes: dict[Name, SceneEntry] = Field(default_factory=dict)

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
    params: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for key in ("name", "value"):
            counts = Counter(getattr(entry, key) for entry in self.classes)
            twice = [item for item, count in counts.items() if count > 1]
            if twice:
                raise ValueError(f"{key} {twice[0]!r} occurs twice in classes")
        for site, entry in self.sites.items():
            for scene, files in entry.scenes.items():
                unknown = set(files.rasters) - set(self.modalities)
                if unknown:
                    raise ValueError(f"sites.{site}.{scene} names a modality that is not declared: {min(unknown)}")
        return self


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
    unknown = set(params.student.modalities) - set(survey.modalities)
    if params.teacher.modalities != "all":
        unknown |= set(params.teacher.modalities) - set(survey.modalities)
    if unknown:
        raise SurveyError(
            f"modality `{min(unknown)}` of a rung is not among the survey's modalities {sorted(survey.modalities)}",
            where=path,
            remedy="declare it under modalities or change teacher.modalities / student.modalities",
        )
    return survey, params
