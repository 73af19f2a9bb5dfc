"""The census of a survey: one streaming pass that says what every band holds and which cells may be used.

It gives the tables that are validated, the normalisation (training blocks only), and the index of blocks from which
patches are drawn. Memory is that of one block; what it keeps grows by some tens of bytes a block and one byte a cell on
disk.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from outcrop.errors import DataError
from outcrop.survey.blocks import Tile, complete_patches, pixels_of, read_tile, tile_labels, tiles, with_data
from outcrop.survey.rasters import read_split
from outcrop.survey.sites import NO_LABEL, SPLITS, Scene, Site
from outcrop.survey.statistics import BandTally, Columns, LabelTally, Moments, Normalisation, stacked


@dataclass(frozen=True)
class Block:
    """One block with usable cells. ``site`` and ``scene`` index the survey's sites and the site's scenes."""

    site: int
    scene: int
    tile: Tile
    split: int


@dataclass(frozen=True)
class Census:
    """What `take_census` found.

    Parameters
    ----------
    blocks : every block with at least one usable cell
    counts : (blocks, classes) usable labelled cells
    usable : (blocks,) usable cells, labelled or not
    cells : folder with one uint8 array (rows, columns) a scene: split value of each usable cell, else 0
    bands : one row a band of a scene, see `BandTally`; ``site``, ``scene`` and ``modality`` say which
    labels : one row a class of a scene, see `LabelTally`; ``site`` and ``scene`` say which
    """

    footprint: int
    class_names: tuple[str, ...]
    blocks: tuple[Block, ...]
    counts: NDArray[np.int64]
    usable: NDArray[np.int64]
    normalisation: dict[str, Normalisation]
    bands: Columns
    labels: Columns
    cells: Path = field(default=Path())

    def of_split(self, split: str) -> NDArray[np.intp]:
        """Indices of the blocks of ``split``."""
        return np.flatnonzero([block.split == SPLITS[split] for block in self.blocks])

    def support(self, split: str) -> NDArray[np.int64]:
        """(classes,) usable labelled cells of a split."""
        return np.asarray(self.counts[self.of_split(split)].sum(axis=0))


Ranges = dict[str, tuple[float, float]]
#: What a census tells about the data; nothing is trained on it.
STATISTICS = ("bands", "labels")


@dataclass(frozen=True)
class Counted:
    """What one scene adds to a census; ``counts`` and ``usable`` as there, ``training`` the moments by modality."""

    site: int
    scene: int
    blocks: list[Block]
    counts: list[list[int]]
    usable: list[int]
    bands: list[Columns]
    labels: Columns
    training: dict[str, Moments]


@dataclass(frozen=True)
class Counting:
    """Counts one scene of a survey; it holds plain values alone, so that any process can be sent it."""

    sites: Sequence[Site]
    footprint: int
    ranges: Ranges
    destination: Path

    def __call__(self, place: tuple[int, int], advance: Callable[[int], None] = lambda _: None) -> Counted:
        """Read every block of the scene at ``place`` (site, scene) once, and write its usable cells."""
        site = self.sites[place[0]]
        scene = site.scenes[place[1]]
        names = [entry.name for entry in site.classes]
        seen = {name: BandTally(raster, self.ranges[name]) for name, raster in scene.rasters.items()}
        training = {name: Moments.of(raster) for name, raster in scene.rasters.items()}
        labelled = LabelTally(names, scene.rasters)
        blocks: list[Block] = []
        counts: list[list[int]] = []
        usable: list[int] = []
        cells = _new_cells(self.destination, site, scene)
        for tile in tiles(scene, site.block):
            split, classes = _read(scene, tile, self.footprint, seen, labelled, training)
            cells[tile.row : tile.row + tile.height, tile.col : tile.col + tile.width] = split
            if split.any():
                blocks.append(Block(*place, tile, int(split.max())))
                # As a list: small arrays kept among the large ones that come and go would scatter over the heap.
                counts.append(np.bincount(classes, minlength=len(names)).tolist())
                usable.append(int((split > 0).sum()))
            advance(1)
        cells.flush()
        where = {"site": site.name, "scene": scene.id}
        bands = [_placed(tally.columns(), **where, modality=name) for name, tally in seen.items()]
        return Counted(*place, blocks, counts, usable, bands, _placed(labelled.columns(), **where), training)


Places = Sequence[tuple[int, int]]


def take_census(
    sites: Sequence[Site],
    footprint: int,
    ranges: Ranges,
    destination: Path,
    advance: Callable[[int], None] = lambda _: None,
    share_out: Callable[[Counting, Places], Iterable[Counted]] | None = None,
) -> Census:
    """Read every block of every scene once.

    Parameters
    ----------
    ranges : declared lowest and highest value of each modality, in its unit
    destination : folder that the census is written to (see `load_census`)
    advance : told how many blocks were read, for a progress bar
    share_out : counts the scenes at some places, in any order; ``None``: here, in turn. The census is the same

    Raises
    ------
    DataError : the sites do not share one set of modalities and bands, or the buffer is smaller than the footprint.
    """
    _require_one_layout(sites, footprint)
    (destination / "cells").mkdir(parents=True, exist_ok=True)
    count = Counting(sites, footprint, ranges, destination)
    places = [(site, scene) for site, _ in enumerate(sites) for scene, _ in enumerate(sites[site].scenes)]
    if share_out is None:
        scenes = [count(place, advance) for place in places]
    else:
        scenes = []
        for counted in share_out(count, places):
            scenes.append(counted)
            site = sites[counted.site]
            advance(sum(1 for _ in tiles(site.scenes[counted.scene], site.block)))
        scenes.sort(key=lambda counted: (counted.site, counted.scene))
    names = tuple(entry.name for entry in sites[0].classes)
    training = scenes[0].training
    for counted in scenes[1:]:
        for name, moments in counted.training.items():
            training[name].merge(moments)
    census = Census(
        footprint=footprint,
        class_names=names,
        blocks=tuple(block for counted in scenes for block in counted.blocks),
        counts=np.array([row for counted in scenes for row in counted.counts], dtype=np.int64).reshape(-1, len(names)),
        usable=np.array([cells for counted in scenes for cells in counted.usable], dtype=np.int64),
        normalisation={name: moments.normalisation() for name, moments in training.items()},
        bands=stacked([columns for counted in scenes for columns in counted.bands]),
        labels=stacked([counted.labels for counted in scenes]),
        cells=destination / "cells",
    )
    _save(census, destination)
    return census


def _placed(columns: Columns, **where: str) -> Columns:
    """The columns behind columns that say where all their rows belong."""
    rows = len(next(iter(columns.values())))
    return {name: np.full(rows, value) for name, value in where.items()} | columns


def _scenes(sites: Sequence[Site]) -> Iterator[tuple[Site, Scene]]:
    for site in sites:
        for scene in site.scenes:
            yield site, scene


def _require_one_layout(sites: Sequence[Site], footprint: int) -> None:
    first = sites[0].scenes[0]
    for site, scene in _scenes(sites):
        where = f"{site.path}, scene {scene.id}"
        if site.buffer < footprint:
            raise DataError(
                f"the blocks were split with a buffer of {site.buffer} cells, less than the footprint of {footprint}",
                where=where,
                remedy="lower `footprint`, or ingest the site into a new workspace with a larger split.buffer",
            )
        if [entry.name for entry in site.classes] != [entry.name for entry in sites[0].classes]:
            raise DataError("the site has other classes than the survey's first", where=where, remedy="ingest it again")
        for name in sorted(set(first.rasters) | set(scene.rasters)):
            if name not in scene.rasters or name not in first.rasters:
                raise DataError(f"modality {name} is not in every scene of the survey", where=where, remedy="ingest it")
            if len(scene.rasters[name].bands) != len(first.rasters[name].bands):
                raise DataError(
                    f"{name} has another number of bands than in {sites[0].name}",
                    where=where,
                    remedy="ingest the same bands",
                )
            own, other = scene.rasters[name].nesting, first.rasters[name].nesting
            # Ratios of 3 and 4 give patches of one side, but of different ground.
            if (own.fine, own.coarse) != (other.fine, other.coarse):
                raise DataError(
                    f"{name} has another resolution than in {sites[0].name}",
                    where=where,
                    remedy="resample it before ingesting",
                )


def _read(
    scene: Scene,
    tile: Tile,
    footprint: int,
    seen: dict[str, BandTally],
    labelled: LabelTally,
    training: dict[str, Moments],
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The split of a tile's usable cells (0: not usable), and the classes (n,) of those that are labelled.

    The tile's own pixels (no halo) go to the tallies, and to ``training`` those that hold a training cell: a coarse
    pixel may reach from a training into a test block.
    """
    split, labels = read_split(scene, tile.row, tile.col, tile.height, tile.width), tile_labels(scene, tile)
    complete = {}
    for name, raster in scene.rasters.items():
        window, pixels = read_tile(raster, tile, footprint)
        complete[name] = complete_patches(with_data(pixels), window)
        core = pixels[:, window.reach : window.height - window.reach, window.reach : window.width - window.reach]
        seen[name].add(core)
        training[name].add(pixels[:, pixels_of(split == SPLITS["train"], window, raster.nesting)])
    split[~np.logical_and.reduce(list(complete.values()))] = 0
    labelled.add(labels, split > 0, complete)
    return split, labels[(split > 0) & (labels != NO_LABEL)]


def _new_cells(folder: Path, site: Site, scene: Scene) -> "np.memmap[tuple[int, int], np.dtype[np.uint8]]":
    path = cells_path(folder / "cells", site.name, scene.id)
    shape = (scene.grid.height, scene.grid.width)
    return np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)


def cells_path(cells: Path, site: str, scene: str) -> Path:
    """File of one scene's usable cells."""
    return cells / f"{site}.{scene}.npy"


def _save(census: Census, folder: Path) -> None:
    tile = [(b.site, b.scene, b.tile.row, b.tile.col, b.tile.height, b.tile.width, b.split) for b in census.blocks]
    index = np.array(tile, dtype=np.int64).reshape(-1, 7)
    np.savez(folder / "blocks.npz", index=index, counts=census.counts, usable=census.usable)
    summary = {
        "footprint": census.footprint,
        "class_names": census.class_names,
        "normalisation": {name: asdict(entry) for name, entry in census.normalisation.items()},
    }
    (folder / "census.json").write_text(json.dumps(summary, indent=1, sort_keys=True, allow_nan=False))
    for name in STATISTICS:
        np.savez(folder / f"{name}.npz", **getattr(census, name))


def load_census(folder: Path) -> Census:
    """Read what `take_census` wrote."""
    summary = json.loads((folder / "census.json").read_text())
    blocks = _load_columns(folder / "blocks.npz")
    return Census(
        footprint=summary["footprint"],
        class_names=tuple(summary["class_names"]),
        blocks=tuple(Block(int(r[0]), int(r[1]), Tile(*map(int, r[2:6])), int(r[6])) for r in blocks["index"]),
        counts=blocks["counts"],
        usable=blocks["usable"],
        normalisation={
            name: Normalisation(tuple(entry["mean"]), tuple(entry["std"]))
            for name, entry in summary["normalisation"].items()
        },
        **{name: _load_columns(folder / f"{name}.npz") for name in STATISTICS},
        cells=folder / "cells",
    )


def _load_columns(path: Path) -> Columns:
    with np.load(path, allow_pickle=False) as stored:
        return dict(stored)


def training_files(folder: Path) -> list[Path]:
    """The files of a census that a training depends on: all but what is only told."""
    return [folder / "census.json", folder / "blocks.npz", *sorted((folder / "cells").iterdir())]
