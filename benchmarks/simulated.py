"""Simulated sites in a folder that is thrown away, and the material of models that are trained and tested on them."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.variants import PROJECT
from outcrop.learning.material import Material
from outcrop.params import Params
from outcrop.survey.census import take_census
from outcrop.survey.declarations import declared_ranges
from outcrop.survey.roles import with_roles
from outcrop.survey.simulate import simulate_site
from outcrop.survey.sites import Site
from outcrop.survey.surveys import Survey, load_survey

#: The sites that models are trained on, and the new one that they are carried over to.
TRAINING = ("iceland", "lanzarote", "gusev")
NEW = "oman"
#: Of the ground, and of all that is trained on it.
SEED = 7


@dataclass(frozen=True)
class Ground:
    """Sites of ``size`` base cells a side, by name."""

    size: int
    sites: dict[str, Site]
    folder: Path

    def material(self, train: Sequence[str], test: Sequence[str], changes: Mapping[str, Any]) -> Material:
        """What training on the training blocks of some sites, and scoring on the test blocks of others, starts from."""
        survey, params = simulated_survey({**changes, "sites": {"train": list(train), "test": list(test)}})
        sites = with_roles([self.sites[name] for name in dict.fromkeys((*train, *test))], params.sites)
        work = Path(tempfile.mkdtemp(dir=self.folder))
        census = take_census(sites, params.footprint, declared_ranges(survey), work / "census")
        return Material.gather(survey.survey, sites, census, params, work)


@contextmanager
def simulated(size: int, names: Sequence[str]) -> Iterator[Ground]:
    """Sites of ``size`` base cells a side."""
    survey, params = simulated_survey({"simulate": {"size": size, "seed": SEED}})
    with tempfile.TemporaryDirectory(prefix="outcrop-bench-") as name:
        folder = Path(name)
        yield Ground(size, {site: simulate_site(site, folder, survey, params) for site in names}, folder)


def simulated_survey(changes: Mapping[str, Any]) -> tuple[Survey, Params]:
    """The simulated survey with other parameters."""
    return load_survey(PROJECT / "data/surveys/simulated.yaml", PROJECT / "params.yaml", {"seed": SEED, **changes})
