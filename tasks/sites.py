"""Looking at the sites of a workspace: a quicklook as a file, statistics as tables and as data."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rasterio.errors import RasterioError
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from outcrop.errors import SiteError
from outcrop.field.quicklooks import draw_site
from outcrop.field.sheets import as_png, brief
from outcrop.record.drafts import drafted
from outcrop.survey.ground import cell_size
from outcrop.survey.manifests import RESTORE
from outcrop.survey.remarks import remarks_on, summed
from outcrop.survey.sites import MANIFEST, Scene, Site, read_site
from outcrop.survey.summaries import (
    COLUMNS,
    BandSummary,
    ModalitySummary,
    SiteStatistics,
    resolution,
    summarise,
    windows_of,
)
from tasks.progress import Progress
from tasks.workspace import Workspace

#: A table has a line a band up to so many; more bands are summarised in `GROUPS` lines.
FEW_BANDS, GROUPS = 12, 8
#: Width of the tables where nobody looks; a terminal says its own.
WIDTH = 110
#: Notes that are printed at most.
NOTES = 8
#: Square metres from which areas are written in hectares.
HECTARES = 1e5


def open_site(workspace: Workspace, name: str) -> Site:
    """Read a site of the workspace by its name.

    Raises
    ------
    SiteError : there is no such site, or it is damaged.
    """
    there = sorted(manifest.parent.name for manifest in workspace.sites.glob(f"[!.]*/{MANIFEST}"))
    if name in there:
        return read_site(workspace.sites / name)
    if name in {pointer.stem for pointer in workspace.sites.glob("*.dvc")}:
        remedy = f"fetch it with `dvc pull data/sites/{name}`"
    else:
        remedy = (
            f"name one of {', '.join(there)}" if there else "ingest it, or build the simulated ones with `dvc repro`"
        )
    raise SiteError(f"there is no site `{name}`", where=workspace.sites, remedy=remedy)


def find_scene(site: Site, name: str) -> Scene:
    """A scene of a site by its id.

    Raises
    ------
    SiteError : there is no such scene.
    """
    for scene in site.scenes:
        if scene.id == name:
            return scene
    some = ", ".join(scene.id for scene in site.scenes[:20]) + (", ..." if len(site.scenes) > 20 else "")
    raise SiteError(f"site {site.name} has no scene `{name}`", where=site.path, remedy=f"name one of {some}")


def write_quicklook(workspace: Workspace, name: str, scene: str | None, folder: Path | None) -> dict[str, Any]:
    """Draw a site, or one scene of it, into a PNG in ``folder``; whole or not at all.

    Raises
    ------
    SiteError : there is no such site or scene, or the site is damaged.
    WorkspaceError : the folder cannot be written.
    """
    site = open_site(workspace, name)
    chosen = None if scene is None else find_scene(site, scene)
    path = (folder or workspace.root / "reports" / "sites").resolve() / f"{'-'.join(filter(None, (name, scene)))}.png"
    with drafted(path, "picture") as draft:
        draft.touch()
        with _readable(site):
            quicklook = draw_site(site, chosen)
        draft.write_bytes(as_png(quicklook.image))
    return {"site": name, "pictures": [str(path)], "scenes": list(quicklook.scenes), "total": quicklook.total}


@contextmanager
def _readable(site: Site) -> Iterator[None]:
    try:
        yield
    except RasterioError as cause:
        raise SiteError("a raster cannot be read to its end", where=site.path, remedy=RESTORE) from cause


def measure(workspace: Workspace, name: str) -> SiteStatistics:
    """Statistics of a site, behind a progress bar.

    Raises
    ------
    SiteError : there is no such site, or it is damaged.
    """
    site = open_site(workspace, name)
    with Progress(f"Reading {name}", windows_of(site)) as progress, _readable(site):
        return summarise(site, progress.advance)


def as_data(found: SiteStatistics) -> dict[str, Any]:
    """The statistics for machines: every band's own numbers, cells and square metres of every class by split."""
    site = found.site
    names = [*(entry.name for entry in site.classes), None]
    areas = [None] * len(names) if found.areas is None else [_by_split(row) for row in found.areas]
    counted = [
        {"class": name, "cells": _by_split(row), "area_m2": area}
        for name, row, area in zip(names, found.cells, areas, strict=True)
    ]
    return {
        "site": site.name,
        "survey": site.survey,
        "block": site.block,
        "buffer": site.buffer,
        "scenes": {scene.id: _scene_data(scene) for scene in site.scenes},
        "modalities": [_modality_data(summary) for summary in found.modalities],
        "classes": counted[:-1],
        "unlabelled": {key: value for key, value in counted[-1].items() if key != "class"},
    }


def _by_split(row: Sequence[Any]) -> dict[str, Any]:
    return dict(zip(COLUMNS, np.asarray(row).tolist(), strict=True))


def _scene_data(scene: Scene) -> dict[str, Any]:
    grid, size = scene.grid, cell_size(scene.grid)
    return {"rows": grid.height, "columns": grid.width, "crs": grid.crs, "cell_m": size and list(size),
            "notes": list(scene.notes)}  # fmt: skip


def _modality_data(summary: ModalitySummary) -> dict[str, Any]:
    raster = summary.raster
    return {
        "modality": raster.modality,
        "scenes": len(summary.scenes),
        "unit": raster.unit,
        "dtype": raster.dtype,
        "scale": raster.scale,
        "offset": raster.offset,
        "fine": raster.nesting.fine,
        "coarse": raster.nesting.coarse,
        "pixel_m": summary.pixel and list(summary.pixel),
        "wavelengths_um": summary.wavelengths and list(summary.wavelengths),
        "approximate": raster.approximate,
        "derived_from": raster.derived_from,
        "nodata_share": summary.nodata_share,
        "notes": list(summary.notes),
        "bands": [asdict(band) | asdict(values) for band, values in zip(raster.bands, summary.bands, strict=True)],
    }


def print_tables(found: SiteStatistics) -> None:
    """The statistics for people, on standard output."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    site = found.site
    count = len(site.scenes)
    scenes = f"scene {site.scenes[0].id}" if count == 1 else f"{count} scenes"
    console.print(Text(f"{site.name}, survey {site.survey}: {scenes}, blocks of {site.block} cells"), style="bold")
    for summary in found.modalities:
        console.print()
        console.print(_facts(summary, count))
        console.print(modality_table(summary))
        _print_notes(console, remarks_on(summary.raster, summary.notes))
    console.print()
    console.print(class_table(found))
    _print_notes(console, (note for scene in site.scenes for note in scene.notes))


def _print_notes(console: Console, notes: Iterable[str]) -> None:
    said = list(summed(notes))
    for note in said[:NOTES]:
        console.print(Text(f"note: {note}", style="dim"))
    if len(said) > NOTES:
        console.print(Text(f"{len(said) - NOTES} more notes stand in `--json`", style="dim"))


def _facts(summary: ModalitySummary, scenes: int) -> Text:
    """A modality in one line: its bands, unit, storage, resolution, and how much of it is empty."""
    raster = summary.raster
    count = len(raster.bands)
    facts = [f"{count} band{'s' if count > 1 else ''}"]
    if summary.wavelengths:
        facts.append("{:.3g}-{:.3g} µm".format(*summary.wavelengths))
    facts += [raster.unit, raster.dtype, f"{summary.pixel} pixels" if summary.pixel else ""]
    facts += [resolution(raster.nesting), f"{summary.nodata_share:.1%} without data"]
    if len(summary.scenes) < scenes:
        facts.append(f"in {len(summary.scenes)} of {scenes} scenes")
    return Text.assemble((raster.modality, "bold"), "  ", "; ".join(filter(None, facts)))


def modality_table(summary: ModalitySummary) -> Table:
    """What the bands of a modality hold: a line a band, or a line a group of neighbouring bands where they are many."""
    bands = summary.raster.bands
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("band")
    if summary.wavelengths:
        table.add_column("µm", justify="right")
    for heading in ("min", "mean", "max", "std"):
        table.add_column(heading, justify="right")
    step = 1 if len(bands) <= FEW_BANDS else -(-len(bands) // GROUPS)
    for first in range(0, len(bands), step):
        group = bands[first : first + step]
        name = group[0].name if len(group) == 1 else f"{group[0].name} to {group[-1].name}"
        centres = [f"{band.centre_um:.3g}" for band in (group[0], group[-1]) if band.centre_um is not None]
        waves = ["-".join(dict.fromkeys(centres))] if summary.wavelengths else []
        table.add_row(Text(name), *waves, *_pooled(summary.bands[first : first + step]))
    return table


def _pooled(rows: Sequence[BandSummary]) -> list[str]:
    """Lowest, mean, highest and standard deviation over bands of equally many pixels."""
    known = [row for row in rows if row.mean is not None]
    if not known:
        return [""] * 4
    low, mean, high, std = (
        np.array([getattr(row, name) for row in known]) for name in ("minimum", "mean", "maximum", "std")
    )
    spread = np.sqrt(np.mean(std**2) + np.var(mean))
    return [brief(value) for value in (low.min(), mean.mean(), high.max(), spread)]


def class_table(found: SiteStatistics) -> Table:
    """Cells of every class by split, with their share of the split's labelled cells, and the area of each class."""
    labelled, areas = found.cells[:-1].sum(axis=0), found.areas
    hectares = areas is not None and areas[:-1].sum() >= HECTARES
    table = Table(
        title="Labelled base cells by split", title_justify="left", title_style="", box=SIMPLE_HEAD, pad_edge=False,
        show_footer=True,
    )  # fmt: skip
    table.add_column("class", footer=Text("all\nno label"))
    for place, split in enumerate(COLUMNS):
        table.add_column(split, justify="right", footer=f"{labelled[place]:,}\n{found.cells[-1, place]:,}")
        table.add_column("share", justify="right", style="dim")
    table.add_column("all", justify="right", footer=f"{labelled.sum():,}\n{found.cells[-1].sum():,}")
    table.add_column("share", justify="right", style="dim")
    totals = found.cells.sum(axis=1) if areas is None else areas.sum(axis=1) / (1e4 if hectares else 1)
    if areas is not None:
        footer = f"{totals[:-1].sum():,.2f}\n{totals[-1]:,.2f}"
        table.add_column("ha" if hectares else "m2", justify="right", footer=footer)
    for entry, row, total in zip(found.site.classes, found.cells[:-1], totals[:-1], strict=True):
        shares = [f"{part:.1%}" for part in row / np.maximum(labelled, 1)]
        cells = [word for pair in zip((f"{count:,}" for count in row), shares, strict=True) for word in pair]
        whole = [f"{row.sum():,}", f"{row.sum() / max(labelled.sum(), 1):.1%}"]
        table.add_row(Text(entry.name), *cells, *whole, *([] if areas is None else [f"{total:,.2f}"]))
    return table
