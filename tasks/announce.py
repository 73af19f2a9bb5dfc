"""Announcing to the Prefect server what others may want to act upon."""

from typing import Any

#: Other bytes than the last retraining saw, data that are fit again, a new champion.
NEW_DATA, RECOVERED, PROMOTION = "outcrop.new-data", "outcrop.validation-recovered", "outcrop.promotion"


def about(survey: str) -> dict[str, str]:
    """The label by which an announcement, whoever makes it, says which survey it is about."""
    return {"outcrop.survey": survey}


def announce(event: str, survey: str, **facts: Any) -> None:
    """Send an event about a survey; ``facts`` can be written as JSON."""
    from prefect.events import emit_event

    resource = {"prefect.resource.id": f"outcrop.survey.{survey}", "prefect.resource.name": survey, **about(survey)}
    emit_event(event, resource=resource, payload=facts)
