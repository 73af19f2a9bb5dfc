"""Sites that are only trained on or only tested: the splits they are read with."""

from dataclasses import replace

import numpy as np
import pytest

from outcrop.errors import ParamsError
from outcrop.params import Sites
from outcrop.survey.rasters import read_split
from outcrop.survey.roles import with_roles
from outcrop.survey.sites import SPLITS, Site


def codes(site: Site) -> np.ndarray:
    scene = site.scenes[0]
    return read_split(scene, 0, 0, scene.grid.height, scene.grid.width)


def roles(train: object, test: object) -> Sites:
    return Sites.model_validate({"train": train, "test": test})


def test_by_default_every_site_serves_all_splits(tiny_site: Site) -> None:
    (site,) = with_roles([tiny_site], roles("all", "all"))
    np.testing.assert_array_equal(codes(site), codes(tiny_site))
    assert set(np.unique(codes(site))) == {0, 1, 2, 3}


def test_a_site_that_is_only_tested_offers_all_its_blocks(tiny_site: Site) -> None:
    other = replace(tiny_site, name="other")
    trained, tested = with_roles([tiny_site, other], roles(["north"], ["other"]))
    written = codes(tiny_site)
    np.testing.assert_array_equal(codes(trained), np.where(written == SPLITS["test"], 0, written))
    np.testing.assert_array_equal(codes(tested), np.where(written > 0, SPLITS["test"], 0))


def test_a_site_without_a_role_is_left_out(tiny_site: Site) -> None:
    other = replace(tiny_site, name="other")
    assert [site.name for site in with_roles([tiny_site, other], roles(["north"], ["north"]))] == ["north"]


def test_a_role_must_name_a_site_of_the_survey(tiny_site: Site) -> None:
    with pytest.raises(ParamsError, match=r"`sites` names atlantis, .*; choose among north\."):
        with_roles([tiny_site], roles("all", ["atlantis"]))
