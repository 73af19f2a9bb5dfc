"""What a model asks of a scene and what its answers mean: all that mapping needs to know beside the network itself."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rasterio.crs import CRS

from outcrop.settings import Section
from outcrop.survey.grids import Grid
from outcrop.survey.sites import Raster, Site

if TYPE_CHECKING:
    from outcrop.learning.models import ModelConfig
    from outcrop.learning.networks import Input

#: Metres in a degree of latitude.
DEGREE = 111_320.0
#: Native pixels along one side of a tile, about: its maps then lie in a processor's cache.
TILE_PIXELS = 128


class BandProfile(Section):
    """A band: its name, and the wavelength and width (um) that the training scenes said it has."""

    name: str
    centre_um: float | None = None
    fwhm_um: float | None = None


class ModalityProfile(Section):
    """One modality as the model sees it.

    Parameters
    ----------
    side : native pixels along one side of a patch
    fine, coarse : how its pixels nest in base cells, see `Nesting`
    pixel_m : smallest and largest native pixel of the training scenes, in metres; None where none has a CRS
    mean, std : of every band in the training blocks
    """

    name: str
    bands: tuple[BandProfile, ...]
    unit: str
    side: int
    fine: int
    coarse: int
    pixel_m: tuple[float, float] | None
    mean: tuple[float, ...]
    std: tuple[float, ...]


class ClassProfile(Section):
    """A class and its colour, ``#rrggbb``."""

    name: str
    colour: str


class ModelProfile(Section):
    """A model's inputs and classes.

    ``tile`` is the side of the squares of base cells that are computed at once. It is fixed, so that a map does not
    depend on the memory or the threads that it was made with. ``channels`` are those of the widest layer.
    """

    survey: str
    role: str
    classes: tuple[ClassProfile, ...]
    footprint: int
    inputs: tuple[ModalityProfile, ...]
    tile: int
    channels: int

    @classmethod
    def of(
        cls, config: "ModelConfig", classes: tuple[ClassProfile, ...], inputs: tuple[ModalityProfile, ...]
    ) -> "ModelProfile":
        """The profile of a model with such classes and inputs."""
        finest = max(entry.fine for entry in inputs)
        return cls(
            survey=config.survey,
            role=config.role,
            classes=classes,
            footprint=config.footprint,
            inputs=inputs,
            tile=2 ** max(3, (TILE_PIXELS // finest).bit_length() - 1),
            channels=max(config.architecture.stages),
        )


def profile_of(config: "ModelConfig", sites: Sequence[Site]) -> ModelProfile:
    """The profile of a model, from its configuration and the sites whose scenes it was trained on."""
    scenes = [scene for site in sites for scene in site.scenes]
    inputs = tuple(_modality(entry, [scene.rasters[entry.modality] for scene in scenes]) for entry in config.inputs)
    classes = tuple(ClassProfile(name=c.name, colour=c.colour) for c in sites[0].classes)
    return ModelProfile.of(config, classes, inputs)


def _modality(entry: "Input", rasters: Sequence[Raster]) -> ModalityProfile:
    first = rasters[0]
    sizes = [size for raster in rasters if (size := pixel_metres(raster.grid)) is not None]
    return ModalityProfile(
        name=first.modality,
        bands=tuple(BandProfile(name=b.name, centre_um=b.centre_um, fwhm_um=b.fwhm_um) for b in first.bands),
        unit=first.unit,
        side=entry.side,
        fine=first.nesting.fine,
        coarse=first.nesting.coarse,
        pixel_m=(min(sizes), max(sizes)) if sizes else None,
        mean=entry.mean,
        std=entry.std,
    )


def pixel_metres(grid: Grid) -> float | None:
    """Side of a grid's pixels on the ground in metres; None for pixel coordinates."""
    if grid.crs is None:
        return None
    crs = CRS.from_user_input(grid.crs)
    unit = DEGREE if crs.is_geographic else float(crs.linear_units_factor[1])
    return abs(grid.transform.e) * unit
