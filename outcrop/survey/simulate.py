"""Simulated sites: every sensor's view of a ground whose truth is known, for development, tests and demonstrations."""

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
from outcrop.survey.rasters import class_raster, pieces, write_cog
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
    steps = Steps(len(years) * (1 + len(survey.modalities) + len(TRUTHS)), progress)
    with staged(destination, name) as folder:
        scenes = []
        for later in years:
            landscape = Landscape(place, size, seed, library or load_library(), later)
            scene = folder / f"year-{later:g}".replace(".", "-")
            scenes.append(_SceneWriter(landscape, scene, survey, seed, later).write(steps))
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
        self.layers = list(layers.values())
        self.truths = [self._true(name, truth) for name, truth in TRUTHS.items()]
        self.acquired = FIRST_DATE + timedelta(days=round(years * DAYS_A_YEAR))

    def write(self, steps: Steps) -> Scene:
        """Write all rasters of the scene."""
        self.folder.mkdir()
        labels = class_raster("labels", self.folder / "labels.tif", self.grid, NO_LABEL)
        cover = self.landscape.ground.cover
        write_cog(labels, pieces(self.grid, lambda *window: cover(*window).labels[None]), classes=True)
        steps.done(f"{self.folder.name}, labels")
        for layer in (*self.layers, *self.truths):
            write_cog(layer.raster, layer.contents())
            steps.done(f"{self.folder.name}, {layer.raster.modality}")
        return Scene(
            self.folder.name,
            self.grid,
            {layer.raster.modality: layer.raster for layer in self.layers},
            labels.path,
            self.folder / "split.tif",
            (self.acquired, self.acquired),
            truth={layer.raster.modality: layer.raster for layer in self.truths},
        )

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
        return Layer(raster, lambda: pieces(grid, instrument.read))

    def _true(self, name: str, truth: Truth) -> Layer:
        raster = truth.raster(name, self.folder / f"truth_{name}.tif", self.grid)
        return Layer(raster, lambda: pieces(self.grid, partial(truth.stored, self.landscape)))
