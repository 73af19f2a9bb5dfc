"""Parameters of what goes on after a model is made: sites that are monitored, and a service that does it by itself."""

from datetime import UTC, datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, Field

from outcrop.givens import CarbonInputs
from outcrop.settings import NonNegative, Positive, Section, Share


def _cron(text: str) -> str:
    try:
        CronSim(text, datetime.now(UTC))
    except CronSimError as cause:
        raise ValueError("not a cron expression, such as `0 2 * * 0`") from cause
    return text


def _time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as cause:
        raise ValueError("no such time zone; write it as `UTC` or `Europe/Berlin`") from cause
    return name


Cron = Annotated[str, AfterValidator(_cron)]


class Monitor(Section):
    """A site over time: the estimate of `outcrop carbon`, what counts as change and as drift, and when labels expire.

    ``gain`` (share), ``shift_nm`` and ``new`` (share of the cells) are the standard deviations by which acquisitions of
    unchanged ground differ; they decide until there are enough of them to tell it (`outcrop.field.drift`).
    """

    profile: str
    pathway: Literal["carbonation", "weathering"]
    inputs: CarbonInputs
    years: Annotated[float, Field(gt=0)]
    feedstock: tuple[str, ...]
    products: tuple[str, ...]
    level: Annotated[float, Field(gt=0, lt=0.5)]
    cells: Annotated[int, Field(ge=50)]
    gain: Annotated[float, Field(gt=0)]
    shift_nm: Annotated[float, Field(gt=0)]
    new: Annotated[float, Field(gt=0)]
    unfamiliar: Share
    label_days: Positive


class RestHours(Section):
    """How long a trigger rests after it has fired: what happens meanwhile starts nothing more."""

    new_data: NonNegative
    recovered: NonNegative
    drift: NonNegative
    promotion: NonNegative


class Serve(Section):
    """What a service does by itself and when; decides nothing about a result."""

    timezone: Annotated[str, AfterValidator(_time_zone)]
    retrain: Cron | None
    monitor: Cron | None
    watch: Cron | None
    at_once: Positive
    rest_hours: RestHours
