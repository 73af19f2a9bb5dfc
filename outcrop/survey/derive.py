"""Modalities computed from others: what another sensor would see, some of the bands, or a measure of the terrain."""

from pathlib import Path

from outcrop.survey.sites import Raster
from outcrop.survey.surveys import Survey


def write_derived(parent: Raster, modality: str, survey: Survey, target: Path) -> Raster:
    """Compute ``modality`` from the written raster of the modality it is derived from, and write it to ``target``.

    Raises
    ------
    SurveyError : the parent's bands do not allow it.
    """
    raise NotImplementedError
