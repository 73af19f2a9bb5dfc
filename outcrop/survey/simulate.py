"""Simulated sites: every sensor's view of a ground whose truth is known, for development, tests and demonstrations."""

from collections.abc import Iterator
from datetime import date, timedelta
from functools import partial
from pathlib import Path

from affine import Affine

from outcrop.errors import SurveyError
from outcrop.params import Params
from outcrop.survey.catalogues import write_site
from outcrop.survey.declarations import declare, derivation_order
from outcrop.survey.derive import lay_derived
from outcrop.survey.grids import Grid
from outcrop.survey.ingest import Progress, Steps, draft_site, split_shares
from outcrop.survey.rasters import PIECE, Piece, class_raster, pieces, windows, write_cog, write_cogs
from outcrop.survey.raw.layers import Layer
from outcrop.survey.simulation.instruments import MODALITIES, campaign, instruments
from outcrop.survey.simulation.landscapes import Landscape
from outcrop.survey.simulation.libraries import load_library
from outcrop.survey.simulation.places import Place, load_places
from outcrop.survey.simulation.specimens import Library
from outcrop.survey.simulation.tiles import Instrument
from outcrop.survey.simulation.truths import TRUTHS, Truth
from outcrop.survey.simulation.units import UNITS
from outcrop.survey.sites import NO_LABEL, Raster, Scene, Site, read_site
from outcrop.survey.splits import write_splits
from outcrop.survey.staging import staged
from outcrop.survey.surveys import MeasuredEntry, Survey

#: No campaign took place: the first date is the same whenever a site is built.
FIRST_DATE = date(2000, 1, 1)
DAYS_A_YEAR = 365.25
#: What sets the random numbers of instruments apart from those of the ground.
CAMPAIGN = 202


def simulate_site(
    name: str,
    destination: Path,
    survey: Survey,
    params: Params,
    library: Library | None = None,
    *,
    change: float | None = None,
    progress: Progress = lambda done, total, step: None,
) -> Site:
    """Write ``destination/name``, a square site with a scene a date; the same parameters give the same bytes.

    Parameters
    ----------
    params : ``simulate.size`` counts the base cells along one side, ``simulate.seed`` is that of the ground
    library : the minerals' spectra; default: those of the tables
    change : years after the first date, of one more scene

    Raises
    ------
    SurveyError : the survey is not one that can be simulated, or the years are impossible.
    """
    place = _place(survey, name)
    size, seed = params.simulate.size, params.simulate.seed
    years = sorted({0.0, *place.years, *([] if change is None else [change])})
    with staged(destination, name) as folder:
        scenes = []
        for number, later in enumerate(years):
            landscape = Landscape(place, size, seed, library or load_library(), later)
            scene = folder / f"year-{later:g}".replace(".", "-")
            writer = _SceneWriter(landscape, scene, survey, seed, later)
            steps = Steps(len(years) * writer.steps, progress, number * writer.steps)
            scenes.append(writer.write(steps))
        draft = draft_site(folder, name, scenes, survey, params)
        write_splits(draft, params, split_shares(survey, name, params))
        write_site(draft, survey)
        read_site(folder)
    return read_site(destination / name)


def _place(survey: Survey, name: str) -> Place:
    places = load_places()
    if name not in survey.sites or name not in places:
        known = ", ".join(sorted(set(places) & set(survey.sites))) or "none"
        raise SurveyError(
            f"the site `{name}` of the survey `{survey.survey}` cannot be simulated",
            remedy=f"choose one of these: {known}",
        )
    if tuple(entry.name for entry in survey.classes) != UNITS:
        raise SurveyError(
            f"the survey `{survey.survey}` has not the classes of a simulated one",
            remedy="compare it with data/surveys/simulated.yaml",
        )
    return places[name]


def _grid(landscape: Landscape) -> Grid:
    origin, size = landscape.place.grid, landscape.size
    if origin.crs is None:  # pixel coordinates, counted from the lower left
        return Grid(size, size, Affine(1, 0, 0, 0, -1, size))
    cell = landscape.cell_m
    return Grid(size, size, Affine(cell, 0, origin.east, 0, -cell, origin.north), origin.crs)


class _SceneWriter:
    """One date of a site: the view of every instrument that the survey names, what is derived from it, and the truth.

    All is laid out, and checked against the survey, before anything is written.
    """

    def __init__(self, landscape: Landscape, folder: Path, survey: Survey, seed: int, years: float) -> None:
        self.landscape, self.folder, self.survey, self.grid = landscape, folder, survey, _grid(landscape)
        # Another date has other noise, and corrections that err otherwise.
        entropy = (seed, landscape.place.specimens, CAMPAIGN, round(years * DAYS_A_YEAR) + 1)
        flown = instruments(landscape, campaign(landscape.place), entropy)
        layers = {
            name: self._measured(name, entry, flown.get(name))
            for name, entry in survey.modalities.items()
            if isinstance(entry, MeasuredEntry)
        }
        for name, derived in derivation_order(survey):
            layers[name] = lay_derived(layers[derived.from_].raster, name, survey, folder / f"{name}.tif")
        truths = [self._true(name, truth) for name, truth in TRUTHS.items()]
        self.derived = [layer for layer in layers.values() if layer.raster.derived_from]
        self.modalities = {name: layer.raster for name, layer in layers.items()}
        self.truths = {layer.raster.modality: layer.raster for layer in truths}
        #: What is seen of the ground itself: all of it is written in one pass over the ground.
        self.seen = [self._labels(), *(layer for layer in layers.values() if layer not in self.derived), *truths]
        self.steps = len(list(windows(self.grid))) * len(self.seen) + len(self.derived)
        self.acquired = FIRST_DATE + timedelta(days=round(years * DAYS_A_YEAR))

    def write(self, steps: Steps) -> Scene:
        """Write all rasters of the scene."""
        self.folder.mkdir()
        write_cogs([(layer.raster, self._counted(layer, steps)) for layer in self.seen])
        for layer in self.derived:
            write_cog(layer.raster, layer.contents())
            steps.done(f"{self.folder.name}, {layer.raster.modality}")
        labels = self.seen[0].raster.path
        split = self.folder / "split.tif"
        acquired = self.acquired, self.acquired
        return Scene(self.folder.name, self.grid, self.modalities, labels, split, acquired, truth=self.truths)

    def _counted(self, layer: Layer, steps: Steps) -> Iterator[Piece]:
        for piece in layer.contents():
            yield piece
            steps.done(f"{self.folder.name}, {layer.raster.modality}")

    def _labels(self) -> Layer:
        raster, cover = (
            class_raster("labels", self.folder / "labels.tif", self.grid, NO_LABEL),
            self.landscape.ground.cover,
        )
        return Layer(raster, lambda: pieces(self.grid, lambda *window: cover(*window).labels[None]))

    def _measured(self, modality: str, entry: MeasuredEntry, instrument: Instrument | None) -> Layer:
        if instrument is None:
            raise SurveyError(
                f"no instrument of the simulation gives `{modality}`", remedy=f"choose among {', '.join(MODALITIES)}"
            )
        bands = declare(self.survey, modality).bands
        if bands is None or len(bands) != instrument.shape[0]:
            raise SurveyError(
                f"the survey does not give `{modality}` the {instrument.shape[0]} bands of the instrument",
                remedy="compare it with data/surveys/simulated.yaml",
            )
        grid, path = instrument.nesting.grid(self.grid), self.folder / f"{modality}.tif"
        stored = (entry.unit, instrument.dtype, entry.nodata, entry.scale, entry.offset)
        raster = Raster(modality, path, grid, instrument.nesting, bands, *stored)
        # One of its windows shows what a window of base cells shows: only so are all rasters written in step.
        side = PIECE * instrument.nesting.fine // instrument.nesting.coarse
        return Layer(raster, lambda: pieces(grid, instrument.read, side))

    def _true(self, name: str, truth: Truth) -> Layer:
        raster = truth.raster(name, self.folder / f"truth_{name}.tif", self.grid)
        return Layer(raster, lambda: pieces(self.grid, partial(truth.stored, self.landscape)))
