"""From points that somebody labelled to what the networks see of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from outcrop.errors import DataError, ModelError
from outcrop.learning.adaptation.evidence import Evidence, Support
from outcrop.learning.adaptation.looks import features_of
from outcrop.learning.models import Model
from outcrop.learning.rungs import rung_name
from outcrop.survey.field_labels import FieldLabels
from outcrop.survey.raw.csvfiles import listed
from outcrop.survey.raw.vectors import counted
from outcrop.survey.sites import SPLITS, Site
from outcrop.survey.spots import spot_patches, spot_splits

#: Fewer labels than this say nothing about any way of adapting.
FEWEST = 3


def check_model(model: Model, site: Site) -> None:
    """Make sure that a model can see a site.

    Raises
    ------
    ModelError : the site lacks one of its modalities, or has other bands.
    """
    rasters = site.scenes[0].rasters
    for entry in model.config.inputs:
        if entry.modality not in rasters:
            raise ModelError(
                f"the model sees {entry.modality}, which site {site.name} does not have, only "
                f"{rung_name(tuple(rasters))}",
                where=site.path,
                remedy="choose another --model, or ingest that modality",
            )
        found = rasters[entry.modality]
        if len(found.bands) != len(entry.bands):
            raise ModelError(
                f"the model sees {len(entry.bands)} bands of {entry.modality}, site {site.name} has {len(found.bands)}",
                where=site.path,
                remedy="choose another --model, or ingest the same bands",
            )
        if found.nesting.patch_side(model.config.footprint) != entry.side:
            raise ModelError(
                f"the model sees {entry.side} pixels of {entry.modality} along a patch, site {site.name} has "
                f"{found.nesting.patch_side(model.config.footprint)}",
                where=site.path,
                remedy="resample the raster to the resolution of the survey's other sites",
            )


def check_classes(model: Model, names: Sequence[str]) -> None:
    """Make sure that a model counts the survey's classes as its label rasters do; it may know more behind them.

    Raises
    ------
    ModelError : it was trained on another vocabulary.
    """
    known = model.config.classes
    if tuple(known[: len(names)]) != tuple(names):
        raise ModelError(
            f"the model knows the classes {listed(known)}, the survey has {listed(names)}",
            remedy="train it again, or choose another --model",
        )


def sees(model: Model, site: Site) -> bool:
    """Whether a model can see a site."""
    try:
        check_model(model, site)
    except ModelError:
        return False
    return True


@dataclass(frozen=True)
class Usable:
    """Labels that may be learnt from, and their patches as the student sees them, by modality."""

    labels: FieldLabels
    patches: dict[str, NDArray[np.float32]]


def usable_labels(labels: FieldLabels, site: Site, model: Model, held_out: bool) -> Usable:
    """Leave out what must not be seen, and refuse what cannot be.

    Parameters
    ----------
    held_out : the site's test blocks are kept for measuring: labels there, and in the buffer around them, are left out

    Raises
    ------
    DataError : a point has no data around it, or hardly any is left.
    """
    cells = cells_of(labels)
    if held_out:
        splits = spot_splits(site, cells)
        seen = np.isin(splits, [SPLITS["train"], SPLITS["val"]])
        gone = int((~seen).sum())
        note = f"left out {counted(gone, 'label')} in or beside the test blocks, which measure the model here"
        labels = labels.take(seen, *([note] if gone else []))
        cells = cells_of(labels)
    if len(labels) < FEWEST:
        raise DataError(
            f"{counted(len(labels), 'label')} of site {site.name} can be used, too few to say anything",
            where="; ".join(labels.notes) or None,
            remedy=f"take at least {FEWEST} labels, outside the test blocks",
        )
    modalities = [entry.modality for entry in model.config.inputs]
    patches = spot_patches(site, cells, modalities, model.config.footprint)
    _check_complete(patches, labels, site)
    if len(set(labels.classes.tolist())) < 2:
        raise DataError(
            f"the {counted(len(labels), 'usable label')} show fewer than two classes",
            where="; ".join(labels.notes) or None,
            remedy="label points of another class too",
        )
    return Usable(labels, patches)


def _check_complete(patches: dict[str, NDArray[np.float32]], labels: FieldLabels, site: Site) -> None:
    for modality, values in patches.items():
        empty = ~np.isfinite(values).all(axis=(1, 2, 3))
        if empty.any():
            first = int(np.flatnonzero(empty)[0])
            raise DataError(
                f"{counted(int(empty.sum()), 'point')} without data in {modality} within a patch of it",
                where=f"scene {site.scenes[labels.scenes[first]].id}, row {labels.rows[first]}, column "
                f"{labels.cols[first]}",
                remedy="take points further away from the gaps and edges of the rasters",
            )


def cells_of(labels: FieldLabels) -> NDArray[np.intp]:
    """Scene, row and column (n, 3) of labels."""
    return np.stack([labels.scenes, labels.rows, labels.cols], axis=1)


def support_of(usable: Usable, site: Site, evidence: Evidence, teacher: Model | None, device: torch.device) -> Support:
    """The labels as all networks see them; without a teacher's view where it lacks data at one of them."""
    tensors = {name: torch.from_numpy(values).to(device) for name, values in usable.patches.items()}
    features = {name: features_of(base.network, tensors).astype(np.float64) for name, base in evidence.bases.items()}
    cells, seen = cells_of(usable.labels), None
    if teacher is not None:
        inputs = [entry.modality for entry in teacher.config.inputs]
        patches = spot_patches(site, cells, inputs, teacher.config.footprint)
        if all(np.isfinite(values).all() for values in patches.values()):
            shown = {name: torch.from_numpy(values).to(device) for name, values in patches.items()}
            seen = features_of(teacher.network, shown).astype(np.float64)
    return Support(usable.labels.classes, cells, features, seen, tensors)
