"""What a record was made with: its survey and parameters, and its sites as DVC keeps them, laid out and counted."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
from torch import nn

from outcrop.errors import ParamsError, SurveyError
from outcrop.learning.devices import device_kind
from outcrop.learning.material import Material
from outcrop.params import Params
from outcrop.record.audits import Audit, Chain, locate
from outcrop.record.records import Record
from outcrop.settings import build, merge, read_yaml
from outcrop.survey.cells import CellReader
from outcrop.survey.census import Census, load_census, take_census
from outcrop.survey.declarations import declared_ranges
from outcrop.survey.roles import with_roles
from outcrop.survey.sites import Site, read_site
from outcrop.survey.surveys import Survey
from tasks.facts import block_names, files_digest
from tasks.records import archive_of
from tasks.workspace import Workspace

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@dataclass(frozen=True)
class Pinned:
    """What a record was made with: survey, parameters, sites, census and the blocks of its splits."""

    survey: Survey
    params: Params
    sites: tuple[Site, ...]
    census: Census

    def material(self, work: Path) -> Material:
        """The material of a training."""
        return Material.gather(self.survey.survey, self.sites, self.census, self.params, work)

    def to_score(self, work: Path) -> Material:
        """The material of an evaluation."""
        if device_kind() != "cpu":
            return self.material(work)
        reader = CellReader(self.sites, self.census)
        return Material(self.survey.survey, self.sites, self.census, self.params, work, cast("Fabric", Cpu()), reader)


class Cpu:
    """What scoring asks of Lightning's Fabric, without the seconds that it takes to import that."""

    device = torch.device("cpu")

    def to_device(self, network: nn.Module) -> nn.Module:
        """The network, where it computes."""
        return network.to(self.device)


class Pins:
    """The validations of a chain, by record, each with its sites and its census."""

    def __init__(self, chain: Chain, workspace: Workspace, scratch: Path) -> None:
        self._workspace = workspace
        self.validations: Mapping[str, Pinned] = {
            name: _lay_out(name, record, chain, workspace, scratch) for name, record in chain.records("validation")
        }

    def of(self, record: Record, role: str = "validated") -> Pinned:
        """What a record was made with; ``role``: that of the validation among its inputs."""
        survey, params = read_pinned(record, self._workspace)
        return replace(self.validations[record.inputs[role]], survey=survey, params=params)


def read_pinned(record: Record, workspace: Workspace) -> tuple[Survey, Params]:
    """Survey and parameters of a record; a parameter that did not exist then, and so changed nothing, is today's."""
    files = {name: locate(archive_of(workspace), record.files[name].path) for name in ("survey.yaml", "params.yaml")}
    survey = build(Survey, read_yaml(files["survey.yaml"], SurveyError), "recorded survey", SurveyError)
    values = merge(read_yaml(workspace.params, ParamsError), read_yaml(files["params.yaml"], ParamsError))
    return survey, build(Params, values, "recorded parameters", ParamsError)


def _lay_out(name: str, validation: Record, chain: Chain, workspace: Workspace, scratch: Path) -> Pinned:
    """Read what a validation saw; its census is taken anew unless the one that was made is still there."""
    survey, params = read_pinned(validation, workspace)
    parents = (chain.lineage.records[parent] for parent in validation.inputs.values())
    used = {parent.name for parent in parents if parent.kind == "dataset"}  # a site without a role is not among them
    sites = with_roles((read_site(scratch / "sites" / site) for site in survey.sites if site in used), params.sites)
    assert validation.made is not None
    earlier = workspace.state / "steps" / f"validate-{validation.made.key[:16]}"
    if earlier.is_dir() and files_digest(earlier) == validation.made.digests["census"]:
        return Pinned(survey, params, sites, load_census(earlier))
    census = take_census(sites, params.footprint, declared_ranges(survey), scratch / f"census-{name}")
    return Pinned(survey, params, sites, census)


def check_blocks(audit: Audit, chain: Chain, pins: Pins) -> None:
    """The blocks of every split are those that were recorded."""
    for name, pinned in pins.validations.items():
        record, now = chain.lineage.records[name], block_names(pinned.sites, pinned.census)
        where = ", ".join(site.name for site in pinned.sites)
        told = f"{len(now['test'])} test blocks, as recorded"
        audit.ask("data", f"splits of {where}", _changed_splits(record, now), told)


def _changed_splits(validation: Record, now: Mapping[str, list[str]]) -> Iterator[str]:
    for split, names in now.items():
        if names != validation.facts["blocks"][split]:
            yield f"the {split} blocks are not the recorded ones"
