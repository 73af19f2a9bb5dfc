"""The tables that are judged: the census as frames, and what a few windows of the rasters tell besides.

Their columns are declared in `outcrop.survey.checks`. All is done on whole columns: 85 scenes of 369 bands are 31 000
rows.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from outcrop.survey.census import Census
from outcrop.survey.checks import TABLES, Table
from outcrop.survey.coregistration import Shift, measure_shifts
from outcrop.survey.declarations import declare
from outcrop.survey.sites import SPLITS, Band, Site
from outcrop.survey.statistics import LOST_IN, blank_bands
from outcrop.survey.surveys import Survey


def tables(survey: Survey, sites: Sequence[Site], census: Census) -> dict[str, pd.DataFrame]:
    """Every table of `TABLES`, from the census and from a few windows of the sites' rasters."""
    bands, labels = pd.DataFrame(census.bands), pd.DataFrame(census.labels)
    found = {
        "bands": _bands(survey, sites, bands),
        "modalities": _modalities(survey, sites),
        "scenes": _scenes(labels),
        "sites": _sites(labels),
        "classes": _classes(survey, labels, census),
        "support": _support(survey, census),
        "coregistration": _coregistration(sites),
        "radiometry": _radiometry(survey, bands),
    }
    return {name: _typed(found[name], table) for name, table in TABLES.items()}


def _typed(frame: pd.DataFrame, table: Table) -> pd.DataFrame:
    """The table's columns in their order, each of its type even where there is no row."""
    return frame.reindex(columns=list(table.columns)).astype(
        {name: kind for name, kind in table.columns.items() if kind is not str}
    )


def _bands(survey: Survey, sites: Sequence[Site], bands: pd.DataFrame) -> pd.DataFrame:
    rasters = [raster for site in sites for scene in site.scenes for raster in scene.rasters.values()]
    empty = (bands["nodata_share"] == 1).to_numpy()
    first = np.cumsum([0, *(len(raster.bands) for raster in rasters)])
    blank = np.concatenate(
        [
            blank_bands(raster) if empty[start] else np.zeros(len(raster.bands), dtype=bool)
            for raster, start in zip(rasters, first[:-1], strict=True)
        ]
    )
    declared = {name: declare(survey, name) for name in bands["modality"].unique()}
    optics = np.concatenate(
        [_optics(() if raster.approximate else declared[raster.modality].bands, raster.bands) for raster in rasters]
    )
    ranges = {name: f"{entry.range[0]:g} to {entry.range[1]:g} {entry.unit}" for name, entry in declared.items()}
    return bands.assign(
        blank=blank,
        range=bands["modality"].map(ranges),
        spread=bands["maximum"] - bands["minimum"],
        duplicate_of=bands["duplicate_of"].where(bands["duplicate_of"] != "", None),
        centre_um=optics[:, 0],
        declared_um=optics[:, 1],
        wavelength_offset=np.abs(optics[:, 0] - optics[:, 1]) / optics[:, 2],
    )


def _optics(declared: tuple[Band, ...] | None, bands: tuple[Band, ...]) -> NDArray[np.float64]:
    """Centre, declared centre and declared width (bands, 3) in micrometres, NaN where one is not known."""
    known = declared if declared and len(declared) == len(bands) else tuple(Band(band.name) for band in bands)
    rows = [(band.centre_um, said.centre_um, said.fwhm_um) for band, said in zip(bands, known, strict=True)]
    return np.array(rows, dtype=np.float64)


def _modalities(survey: Survey, sites: Sequence[Site]) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for site in sites:
        for scene in site.scenes:
            for name, raster in scene.rasters.items():
                found, bands = len(raster.bands), declare(survey, name).bands
                declared = found if bands is None else len(bands)
                place = {"site": site.name, "scene": scene.id, "modality": name}
                counts = {"bands": found, "declared": declared, "difference": abs(found - declared)}
                rows.append({**place, **counts, "approximate": raster.approximate})
    return pd.DataFrame(rows)


def _scenes(labels: pd.DataFrame) -> pd.DataFrame:
    scenes = labels.groupby(["site", "scene"], sort=False)[["labelled", "usable", "lost"]].sum().reset_index()
    # A scene without labels overlaps with nothing and lacks nothing: sites are asked for labels.
    return scenes.assign(overlap=1 - scenes["lost"] / scenes["labelled"].where(scenes["labelled"] > 0))


def _sites(labels: pd.DataFrame) -> pd.DataFrame:
    sites = labels.groupby("site", sort=False)
    return sites.agg(scenes=("scene", "nunique"), labelled=("labelled", "sum"), usable=("usable", "sum")).reset_index()


def _classes(survey: Survey, labels: pd.DataFrame, census: Census) -> pd.DataFrame:
    blamed = [name for name in labels if name.startswith(LOST_IN)]
    classes = labels.groupby("class", sort=False)[["labelled", "usable", "lost", *blamed]].sum()
    labelled, lost = classes["labelled"], classes["lost"]
    others = labelled.sum() - labelled
    share, share_others = lost / labelled.where(labelled > 0), (lost.sum() - lost) / others.where(others > 0)
    return classes.reset_index().assign(
        survey=survey.survey,
        blocks=(census.counts > 0).sum(axis=0),
        lost_share=share.to_numpy(),
        lost_share_others=share_others.to_numpy(),
        lost_excess=(share - share_others).to_numpy(),
        lost_in=classes[blamed].idxmax(axis=1).str.removeprefix(LOST_IN).where(lost > 0).to_numpy(),
    )


def _support(survey: Survey, census: Census) -> pd.DataFrame:
    counts = {split: census.support(split) for split in SPLITS}
    return pd.DataFrame(
        [
            {"survey": survey.survey, "split": split, "class": name, "cells": int(cells)}
            for split, row in counts.items()
            for name, cells in zip(census.class_names, row, strict=True)
        ]
    )


def _coregistration(sites: Sequence[Site]) -> pd.DataFrame:
    rows = []
    for site in sites:
        for scene in site.scenes:
            for shift in measure_shifts(scene):
                length = float(np.hypot(shift.down, shift.right))
                told = {"direction": _direction(shift), "shift": length, "shift_pixels": length / shift.pixel}
                rows.append({"site": site.name, "scene": scene.id, **vars(shift), **told})
    return pd.DataFrame(rows)


def _direction(shift: Shift) -> str | None:
    if np.isnan(shift.down):
        return None
    vertical, horizontal = "down" if shift.down > 0 else "up", "right" if shift.right > 0 else "left"
    return f"{abs(shift.down):.1f} {vertical} and {abs(shift.right):.1f} to the {horizontal}"


def _radiometry(survey: Survey, bands: pd.DataFrame) -> pd.DataFrame:
    """Every band between every two sites: the difference of the sites' means over the pooled spread within sites."""
    sites = _site_moments(bands)
    band = sites["band"].groupby(["modality", "index"], sort=False).first()
    mean, n, squares = (sites[name].unstack("site") for name in ("mean", "n", "squares"))
    units = {name: declare(survey, name).unit for name in band.index.unique("modality")}
    known = band.to_frame().assign(unit=band.index.get_level_values("modality").map(units)).reindex(mean.index)
    parts = []
    for first, second in combinations(sites.index.unique("site"), 2):
        std = np.sqrt((squares[first] + squares[second]) / (n[first] + n[second]))
        apart = (mean[first] - mean[second]).abs() / std.where(std > 0)
        told = known.assign(first_mean=mean[first], second_mean=mean[second], std=std, difference=apart)
        parts.append(told.assign(first=first, second=second).dropna(subset=["first_mean", "second_mean"]))
    return pd.concat(parts).reset_index() if parts else pd.DataFrame()


def _site_moments(bands: pd.DataFrame) -> pd.DataFrame:
    """Pixels ``n``, ``mean`` and squared deviations ``squares`` of every band over all scenes of a site."""
    known = bands.assign(
        index=bands.groupby(["site", "scene", "modality"], sort=False).cumcount(),
        n=bands["pixels"] * (1 - bands["nodata_share"]),
    ).dropna(subset="mean")
    keys = ["site", "modality", "index"]
    known["sum"] = known["n"] * known["mean"]
    totals = known.groupby(keys, sort=False)[["n", "sum"]].transform("sum")
    known["site_mean"] = totals["sum"] / totals["n"]
    known["squares"] = known["n"] * (known["std"] ** 2 + (known["mean"] - known["site_mean"]) ** 2)
    return known.groupby(keys, sort=False).agg(
        band=("band", "first"), n=("n", "sum"), mean=("site_mean", "first"), squares=("squares", "sum")
    )
