"""What is checked of a survey's data before anything is trained: tables of numbers, a row for each thing judged.

Which values are good stands in the survey's expectations (`outcrop.survey.expectations`); here stands what there is to
expect something of. The tables are filled in `outcrop.survey.tables`, and what fails is told by
`outcrop.survey.findings`.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """The columns of a table, with their types, and how findings about its rows are told.

    Findings of one check whose rows share the columns ``together`` are told as one; ``each`` is what is counted then.
    ``where`` says where they are; ``{place}`` is a scene if it is only one, else its site.
    """

    columns: Mapping[str, type]
    where: str
    together: tuple[str, ...]
    each: tuple[str, ...]


PLACE: Mapping[str, type] = {"site": str, "scene": str}
TABLES: Mapping[str, Table] = {
    "bands": Table(
        {
            **PLACE,
            "modality": str,
            "band": str,
            "pixels": int,
            "nodata_share": float,
            "blank": bool,
            "range": str,
            "outside_share": float,
            "saturated_share": float,
            "minimum": float,
            "maximum": float,
            "spread": float,
            "mean": float,
            "std": float,
            "duplicate_of": str,
            "centre_um": float,
            "declared_um": float,
            "wavelength_offset": float,
        },
        where="{place}, {modality}",
        together=("site", "modality"),
        each=("band", "scene"),
    ),
    "modalities": Table(
        {**PLACE, "modality": str, "bands": int, "declared": int, "difference": int, "approximate": bool},
        where="{place}, {modality}",
        together=("site", "modality"),
        each=("scene",),
    ),
    "scenes": Table(
        {**PLACE, "labelled": int, "usable": int, "overlap": float},
        where="{place}",
        together=("site",),
        each=("scene",),
    ),
    "sites": Table(
        {"site": str, "scenes": int, "labelled": int, "usable": int}, where="{site}", together=("site",), each=()
    ),
    "classes": Table(
        {
            "survey": str,
            "class": str,
            "labelled": int,
            "usable": int,
            "blocks": int,
            "lost_share": float,
            "lost_share_others": float,
            "lost_excess": float,
            "lost_in": str,
        },
        where="{survey}",
        together=("survey",),
        each=("class",),
    ),
    "support": Table(
        {"survey": str, "split": str, "class": str, "cells": int},
        where="{survey}",
        together=("split",),
        each=("class",),
    ),
    "coregistration": Table(
        {
            **PLACE,
            "first": str,
            "second": str,
            "pixel": int,
            "windows": int,
            "agreeing": int,
            "down": float,
            "right": float,
            "direction": str,
            "shift": float,
            "shift_pixels": float,
        },
        where="{place}, {first} and {second}",
        together=("site", "first", "second"),
        each=("scene",),
    ),
    "radiometry": Table(
        {
            "first": str,
            "second": str,
            "modality": str,
            "band": str,
            "unit": str,
            "first_mean": float,
            "second_mean": float,
            "std": float,
            "difference": float,
        },
        where="{first} and {second}, {modality}",
        together=("first", "second", "modality"),
        each=("band",),
    ),
}
