"""All that is known of a new site before its labels are looked at, computed once: the labels then cost milliseconds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf
from torch import Tensor, nn

from outcrop.learning.adaptation.forgetting import Ground, Home
from outcrop.learning.adaptation.heads import Array, Classes, Head, Prototypes
from outcrop.learning.adaptation.looks import Seen, features_of, head_of, look, with_gate
from outcrop.learning.adaptation.redistillation import Pairs, Places
from outcrop.learning.adaptation.shift import Radiometry
from outcrop.learning.adaptation.statistics import blend_statistics, guarding_weights
from outcrop.learning.evaluation import cells_to_score
from outcrop.learning.material import Material
from outcrop.learning.models import Model
from outcrop.learning.recipes import SWEEP_BATCH, training_labels
from outcrop.learning.site_gate import behind, fit_gate
from outcrop.params import Onboard
from outcrop.survey.cells import CellSet, paired_cells, thinned
from outcrop.survey.patches import BlockPool, sweep

#: The student as it came, and with statistics of the site; both with a gate in front of the last layer.
SOURCE, BLENDED = "source", "batch_norm"
#: Labelled cells of the sources that are looked at, at most: where whole maps are the label there are millions.
KNOWN_CELLS = 20_000


@dataclass(frozen=True)
class Base:
    """A network with its trunk fixed: its last layer, where the source's classes lie, and cells by which to forget."""

    network: nn.Module
    head: Head
    prototypes: Prototypes
    home: Home

    @cached_property
    def at_home(self) -> tuple[Array, Array]:
        """What the last layer scores at home; see `Home.scores`."""
        return self.home.scores(self.head)


@dataclass(frozen=True)
class Support:
    """Labelled cells of the site.

    Parameters
    ----------
    classes : (n,) place among the classes of the adapted model
    places : (n, 3) scene, row, column
    features : by base, (n, d)
    teacher : (n, d) features of the teacher, if it can see the site
    patches : by modality, as the student sees them (n, bands, side, side); only fine-tuning needs them
    """

    classes: Classes
    places: Places
    features: Mapping[str, Array]
    teacher: Array | None = None
    patches: Mapping[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        """Number of labels."""
        return len(self.classes)

    def take(self, chosen: NDArray[np.intp]) -> "Support":
        """Some of them."""
        return Support(
            self.classes[chosen],
            self.places[chosen],
            {name: values[chosen] for name, values in self.features.items()},
            None if self.teacher is None else self.teacher[chosen],
            {name: values[torch.from_numpy(chosen)] for name, values in self.patches.items()},
        )


@dataclass(frozen=True)
class Evidence:
    """What is known of a site without its labels.

    Parameters
    ----------
    bases : the student, and the student with the site's statistics
    pairs : by base, unlabelled cells and what the teacher sees of them; empty where it cannot see the site
    unlabelled : by base, (m, d) features of the unlabelled cells
    places : (m, 3) of the unlabelled cells
    teacher : the teacher's last layer
    here, there : bands of the unlabelled cells, and of the labelled cells of the sources, whose classes are ``known``
    patches : by modality, of the unlabelled cells as the student sees them
    reach : cells that two places must be apart to be independent: the buffer between blocks of two splits
    """

    bases: Mapping[str, Base]
    pairs: Mapping[str, Pairs]
    unlabelled: Mapping[str, Array]
    places: Places
    teacher: Head | None
    here: Radiometry
    there: Radiometry
    known: Classes
    patches: Mapping[str, Tensor]
    reach: int


def gather_evidence(site: Material, sources: Material, student: Model, teacher: Model | None, seed: int) -> Evidence:
    """Look at the unlabelled training cells of a site, and at the labelled ones of the sources, through all networks.

    Parameters
    ----------
    site, sources : material of the new site, and of the sites that the models were trained on
    teacher : None where the site lacks its sensors
    """
    params = site.params.onboard
    cells = paired_cells(site.reader, "train", params.cells, seed)
    student_network = site.fabric.to_device(student.network).eval()
    modalities = [entry.modality for entry in student.config.inputs]
    patches = patches_of(site, cells, modalities)
    home = known_cells(sources, student, student_network)
    networks = {SOURCE: student_network}
    if BLENDED in (*params.rungs, *params.rungs_with_teacher) and has_statistics(student_network):
        shares = torch.from_numpy(np.bincount(home.labels, minlength=len(student.config.classes)) / len(home.labels))
        networks[BLENDED] = _blended(student_network, patches, shares.float(), _blocks(site, cells), params)
    rehearsed = patches_of(sources, paired_cells(sources.reader, "train", params.cells, seed), modalities)
    bases, unlabelled, again = {}, {}, {}
    for name, plain in networks.items():
        gate = fit_gate(in_pieces(plain, patches), in_pieces(plain, rehearsed))
        network = with_gate(plain, gate)
        seen = home if name == SOURCE else known_cells(sources, student, plain)
        learnt = replace(seen, features=behind(gate, seen.features))
        bases[name] = Base(network, head_of(network), prototypes_of(seen), _home(sources, student, network, learnt))
        unlabelled[name], again[name] = in_pieces(network, patches), in_pieces(network, rehearsed)
    places = places_of(site, cells)
    here = Radiometry(bands_of({name: values.cpu().numpy() for name, values in patches.items()}), _block_of(cells))
    there, known = _home_radiometry(sources, modalities)
    evidence = Evidence(bases, {}, unlabelled, places, None, here, there, known, patches, site.sites[0].buffer)
    if teacher is None:
        return evidence
    guide = site.fabric.to_device(teacher.network).eval()
    head, said = head_of(guide), look_at(cells, site, teacher, guide).features.astype(np.float64)
    alike = np.ones(len(said))
    pairs = {
        name: Pairs(values, said, places, alike, again[name], np.ones(len(again[name])), params.ridge, 0.0, 0.0)
        for name, values in unlabelled.items()
    }
    return prepared(replace(evidence, pairs=pairs, teacher=head), params)


def prepared(evidence: Evidence, params: Onboard) -> Evidence:
    """The same evidence, its pairs as the parameters ask: how the head is held, and how cells are weighted."""
    if evidence.teacher is None:
        return evidence
    pairs = {}
    for name, each in evidence.pairs.items():
        base, changed = evidence.bases[name], replace(each, ridge=params.ridge, smoothing=params.smoothing)
        said, again = evidence.teacher.probabilities(each.teacher), base.head.probabilities(each.rehearsed)
        pairs[name] = changed.balanced(said, again, params.balance)
    return replace(evidence, pairs=pairs)


def bands_of(patches: Mapping[str, NDArray]) -> Array:
    """Mean of every band over each patch (n, bands), modality after modality."""
    return np.concatenate([values.mean(axis=(2, 3), dtype=np.float64) for values in patches.values()], axis=1)


def _block_of(cells: CellSet) -> NDArray[np.int64]:
    return np.repeat(cells.blocks, cells.counts[cells.blocks])


def _home_radiometry(sources: Material, modalities: Sequence[str]) -> tuple[Radiometry, Classes]:
    """The sources' labelled training cells, and their classes."""
    pool = BlockPool(sources.reader, modalities, sources.params.patches.pool_mb)
    rows = [
        (bands_of({name: batch.patches[name] for name in modalities}), batch.blocks, batch.labels)
        for batch in sweep(pool, _labelled_at_home(sources), SWEEP_BATCH)
    ]
    values, blocks, labels = (np.concatenate(column) for column in zip(*rows, strict=True))
    return Radiometry(values, blocks), labels.astype(np.intp)


def _labelled_at_home(sources: Material) -> CellSet:
    """Of the cells that training saw with their labels, at most `KNOWN_CELLS`."""
    return thinned(sources.reader, training_labels(sources), KNOWN_CELLS, sources.params.seed)


def has_statistics(network: nn.Module) -> bool:
    """Whether a network normalises by statistics of its training."""
    return any(isinstance(layer, nn.modules.batchnorm._BatchNorm) for layer in network.modules())


def known_cells(sources: Material, student: Model, network: nn.Module) -> Seen:
    """The labelled training cells of the sources, as a network sees them."""
    return look_at(_labelled_at_home(sources), sources, student, network)


def _home(sources: Material, student: Model, network: nn.Module, learnt: Seen) -> Home:
    """At most `KNOWN_CELLS` of the sources' validation blocks, and the known ones of their training blocks."""
    cells = thinned(sources.reader, cells_to_score(sources, "val"), KNOWN_CELLS, sources.params.seed)
    return Home(_ground(look_at(cells, sources, student, network)), _ground(learnt))


def _ground(seen: Seen) -> Ground:
    return Ground(seen.features.astype(np.float64), seen.labels.astype(np.intp), seen.blocks)


def look_at(cells: CellSet, material: Material, model: Model, network: nn.Module) -> Seen:
    """Cells of a material through a network that has the inputs of a model."""
    modalities = [entry.modality for entry in model.config.inputs]
    pool = BlockPool(material.reader, modalities, material.params.patches.pool_mb)
    return look(network, sweep(pool, cells, SWEEP_BATCH), modalities, material.fabric.device)


def prototypes_of(seen: Seen) -> Prototypes:
    """Class means, and the inverse covariance within classes, shrunk by Ledoit & Wolf (2004)."""
    features = seen.features.astype(np.float64)
    classes = int(seen.labels.max()) + 1
    everything = features.mean(axis=0)
    own = [features[seen.labels == label] for label in range(classes)]
    means = np.stack([part.mean(axis=0) if len(part) else everything for part in own])
    within = LedoitWolf(assume_centered=True).fit(features - means[seen.labels])
    return Prototypes(means, np.asarray(within.precision_))


def places_of(material: Material, cells: CellSet) -> Places:
    """Scene, row and column (n, 3) of every cell of a set, in the order of `sweep`."""
    rows = []
    for block in cells.blocks:
        entry = material.census.blocks[block]
        positions = cells.positions(int(block), material.reader)
        row, col = positions // entry.tile.width + entry.tile.row, positions % entry.tile.width + entry.tile.col
        rows.append(np.stack([np.full(len(positions), entry.scene), row, col], axis=1))
    return np.concatenate(rows).astype(np.intp)


def _blocks(material: Material, cells: CellSet) -> int:
    """Blocks that hold cells of a set: what counts as independent everywhere else does so here."""
    return len(cells.blocks)


def patches_of(material: Material, cells: CellSet, modalities: Sequence[str]) -> dict[str, Tensor]:
    """Patches of all cells of a set, by modality, in the order of `sweep`."""
    pool = BlockPool(material.reader, modalities, material.params.patches.pool_mb)
    batches = [batch.patches for batch in sweep(pool, cells, SWEEP_BATCH)]
    joined = {name: np.concatenate([batch[name] for batch in batches]) for name in modalities}
    return {name: torch.from_numpy(values).to(material.fabric.device) for name, values in joined.items()}


def _blended(network: nn.Module, patches: dict[str, Tensor], usual: Tensor, blocks: int, params: Onboard) -> nn.Module:
    with torch.inference_mode():
        said = torch.cat([network(piece).logits.softmax(dim=1) for piece in _pieces(patches)])
    weights, left = guarding_weights(said, usual.to(said.device))
    return blend_statistics(network, patches, weights, blocks * left, params.batch_norm_prior)


def in_pieces(network: nn.Module, patches: Mapping[str, Tensor]) -> Array:
    """Features (m, d) of patches, a batch at a time."""
    return np.concatenate([features_of(network, piece) for piece in _pieces(patches)]).astype(np.float64)


def _pieces(patches: Mapping[str, Tensor]) -> Iterable[dict[str, Tensor]]:
    parts = {name: torch.split(values, SWEEP_BATCH) for name, values in patches.items()}
    return [dict(zip(parts, each, strict=True)) for each in zip(*parts.values(), strict=True)]
