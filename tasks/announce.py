"""Announcing to the Prefect server what others may want to act upon.

===============================  ===========================================================================
event                            when
===============================  ===========================================================================
``outcrop.new-data``             the sites hold other bytes than the last retraining saw
``outcrop.validation-recovered`` data that were refused are fit to train on again
``outcrop.drift``                a scene has drifted: sensor, ground, or what the model knows of either
``outcrop.labels-expired``       a scene is younger than the model's labels by more than ``monitor.label_days``
``outcrop.promotion``            a new champion
===============================  ===========================================================================

The resource is ``outcrop.survey.<survey>`` or, where it is about a site, ``outcrop.site.<survey>.<site>``; the labels
``outcrop.survey`` and ``outcrop.site`` say the same. It goes to the server of ``PREFECT_API_URL``; without one nobody
hears it, and nothing fails.
"""

from typing import Any
from uuid import NAMESPACE_URL, uuid5

NEW_DATA, RECOVERED = "outcrop.new-data", "outcrop.validation-recovered"
DRIFT, EXPIRED, PROMOTION = "outcrop.drift", "outcrop.labels-expired", "outcrop.promotion"


def about(survey: str) -> dict[str, str]:
    """The label by which an announcement, whoever makes it, says which survey it is about."""
    return {"outcrop.survey": survey}


def announce(event: str, survey: str, *, site: str | None = None, once: str | None = None, **facts: Any) -> None:
    """Send an event about a survey, or about a site of it.

    Parameters
    ----------
    once : what it is about; announced again, it is the same event
    facts : what there is to say beside survey and site; can be written as JSON
    """
    from prefect.events import emit_event

    name, kind = (survey, "survey") if site is None else (f"{survey}.{site}", "site")
    resource = {"prefect.resource.id": f"outcrop.{kind}.{name}", "prefect.resource.name": site or survey}
    resource |= about(survey) | ({"outcrop.site": site} if site else {})
    payload = {"survey": survey, **({"site": site} if site else {}), **facts}
    identity = uuid5(NAMESPACE_URL, f"{event}/{once}") if once else None
    emit_event(event, resource=resource, payload=payload, id=identity)
