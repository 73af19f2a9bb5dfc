"""Which sites a survey is trained on and which it is tested on: by default all serve both, by their blocks."""

from collections.abc import Iterable
from dataclasses import replace

from outcrop.errors import ParamsError
from outcrop.params import Sites
from outcrop.survey.sites import Site


def with_roles(sites: Iterable[Site], roles: Sites) -> tuple[Site, ...]:
    """The sites, each saying which splits use it; one that serves none is left out.

    Raises
    ------
    ParamsError : a role names a site that the survey does not have.
    """
    by_name = {site.name: site for site in sites}
    train = tuple(by_name) if roles.train == "all" else roles.train
    test = tuple(by_name) if roles.test == "all" else roles.test
    unknown = [name for name in (*train, *test) if name not in by_name]
    if unknown:
        raise ParamsError(
            f"`sites` names {unknown[0]}, which the survey does not have", remedy=f"choose among {', '.join(by_name)}"
        )
    served = {
        name: (("train", "val") if name in train else ()) + (("test",) if name in test else ()) for name in by_name
    }
    return tuple(_serving(site, served[name]) for name, site in by_name.items() if served[name])


def _serving(site: Site, splits: tuple[str, ...]) -> Site:
    return replace(site, scenes=tuple(replace(scene, serves=splits) for scene in site.scenes))
