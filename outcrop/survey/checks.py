"""What is checked of a survey's data before anything is trained: tables of statistics, limits, and words.

The tables are validated by whatever validates tables (see ``tasks/validate.py``); here stands what they hold and how a
row that fails reads.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import pandas as pd

from outcrop.params import Limits, Validate
from outcrop.survey.census import Census
from outcrop.survey.declarations import Declaration, declare
from outcrop.survey.sites import SPLITS, Site
from outcrop.survey.surveys import Survey

Severity = Literal["warning", "critical"]


@dataclass(frozen=True)
class Finding:
    """A failed check: ``warning`` is shown, ``critical`` stops the flow."""

    severity: Severity
    check: str
    where: str
    sentence: str


@dataclass(frozen=True)
class Check:
    """Limits on one column of one table, and the words for a row that breaks one.

    ``sentence`` is a format string over the row's columns and ``limit``; a value must be at most its limit, or at least
    if not ``at_most``.
    """

    name: str
    table: str
    column: str
    at_most: bool
    limits: Limits
    sentence: str

    def finding(self, severity: Severity, row: Mapping[str, Any]) -> Finding:
        """What a row that breaks the limit of ``severity`` says."""
        sentence = self.sentence.format(**row, limit=getattr(self.limits, severity))
        return Finding(severity, self.name, str(row["place"]), sentence)


#: A band too many or too few is never a matter of degree.
EXACT = Limits(warning=0, critical=0)


def checks(limits: Validate) -> tuple[Check, ...]:
    """All checks, in the order in which they are shown."""
    return (
        Check(
            "band count",
            "modalities",
            "difference",
            True,
            EXACT,
            "{bands} bands where the survey declares {declared}",
        ),
        Check(
            "nodata share",
            "bands",
            "nodata_share",
            True,
            limits.nodata_share,
            "{nodata_share:.0%} of the pixels of band {band} have no data, more than {limit:.0%}",
        ),
        Check(
            "value range",
            "bands",
            "outside_share",
            True,
            limits.outside_range,
            "{outside_share:.2%} of the values of band {band} lie outside {range}, more than {limit:.2%}",
        ),
        Check(
            "overlap",
            "scenes",
            "overlap",
            False,
            limits.overlap,
            "{overlap:.0%} of the labelled cells have data in every modality, less than {limit:.0%}",
        ),
        Check(
            "blocks",
            "classes",
            "blocks",
            False,
            limits.blocks,
            "class {name} occurs in {blocks} separable blocks, less than {limit:.0f}",
        ),
        Check(
            "support",
            "support",
            "cells",
            False,
            limits.support,
            "class {name} has {cells} usable labelled cells in the {split} blocks, less than {limit:.0f}",
        ),
    )


def tables(survey: Survey, sites: Sequence[Site], census: Census) -> dict[str, pd.DataFrame]:
    """The census as tables of numbers, one row a band, modality, scene, class, or class and split.

    ``place`` says in words where a row belongs.
    """
    bands = pd.DataFrame([asdict(row) for row in census.bands])
    bands["place"] = bands["site"] + "/" + bands["scene"] + ", " + bands["modality"]
    bands["range"] = [_range(declare(survey, name)) for name in bands["modality"]]
    present = (census.counts > 0).sum(axis=0)
    return {
        "bands": bands,
        "modalities": pd.DataFrame(_modality_rows(survey, sites)),
        "scenes": pd.DataFrame([{"place": scene, "overlap": share} for scene, share in census.overlap.items()]),
        "classes": pd.DataFrame(
            [
                {"place": survey.survey, "name": name, "blocks": int(count)}
                for name, count in zip(census.class_names, present, strict=True)
            ]
        ),
        "support": pd.DataFrame(
            [
                {"place": survey.survey, "name": name, "split": split, "cells": int(cells)}
                for split in SPLITS
                for name, cells in zip(census.class_names, census.support(split), strict=True)
            ]
        ),
    }


def _modality_rows(survey: Survey, sites: Sequence[Site]) -> list[dict[str, Any]]:
    rows = []
    for site in sites:
        for scene in site.scenes:
            for name, raster in scene.rasters.items():
                place, found, bands = f"{site.name}/{scene.id}, {name}", len(raster.bands), declare(survey, name).bands
                declared = found if bands is None else len(bands)
                rows.append({"place": place, "bands": found, "declared": declared, "difference": abs(found - declared)})
    return rows


def _range(entry: Declaration) -> str:
    return f"{entry.range[0]:g} to {entry.range[1]:g} {entry.unit}"
