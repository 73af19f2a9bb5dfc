"""What the estimates of a site rest on, whoever looks at it: what the parameters say, and a model that was tested."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from outcrop.errors import ModelError, ParamsError
from outcrop.field.carbon.estimates import check_given
from outcrop.field.carbon.potentials import Pathway
from outcrop.field.carbon.profiles import load_profile
from outcrop.field.carbon.quantities import parse_inputs
from outcrop.field.carbon.uptake import Given
from outcrop.field.exported import Export
from outcrop.givens import given_here
from outcrop.params import Params
from outcrop.settings import value_at
from outcrop.survey.surveys import Survey
from outcrop.upkeep import Monitor


def params_of(survey: Survey, params: Params, site: str, overrides: Mapping[str, Any]) -> Params:
    """Parameters as they hold at a site: what its entry in the survey says of it, and what is asked for this once."""
    here = given_here(params.monitor.inputs, survey.sites[site].monitor.inputs)
    inputs = given_here(here, value_at(overrides, "monitor.inputs") or {})
    return params.model_copy(update={"monitor": params.monitor.model_copy(update={"inputs": inputs})})


def given_of(params: Monitor, classes: Sequence[str]) -> Given:
    """What the parameters say of the estimate.

    Raises
    ------
    ParamsError : they name a class that the survey does not have, or lack what the estimate needs.
    """
    for section in ("feedstock", "products"):
        if unknown := [name for name in getattr(params, section) if name not in classes]:
            raise ParamsError(
                f"`monitor.{section}` names {unknown[0]}, which is no class of the survey",
                remedy=f"choose among {', '.join(classes)}",
            )
    if params.profile != "legacy" and not {"depth", "application_rate"} & set(params.inputs):
        raise ParamsError(
            "it is not said how deep the rock lies, or how much of it was spread",
            where="monitor.inputs",
            remedy="say so in the survey's entry of the site, such as `monitor: {inputs: {depth: 0.5+-0.1}}`",
        )
    told = parse_inputs({str(name): value for name, value in params.inputs.items()}, "monitor.inputs.")
    given = Given.of(told, Pathway(params.pathway), params.feedstock, params.years)
    check_given(load_profile(params.profile), given)
    return given


def check_export(export: Export, survey: str, folder: Path) -> None:
    """Whether an export is of the survey, and knows how often its model errs.

    Raises
    ------
    ModelError : it is not, or does not.
    """
    if export.profile.survey != survey:
        raise ModelError(
            f"the model is of the survey {export.profile.survey}, not of {survey}",
            where=folder,
            remedy="choose another with --model",
        )
    if export.confusion is None:
        raise ModelError(
            "it is not known how often the model errs", where=folder, remedy="take one that `outcrop retrain` evaluated"
        )
