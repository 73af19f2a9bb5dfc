"""Events that somebody may want to act on, as Prefect takes them: a retraining deployment can be triggered by them.

================================  ====================================================================
event                             when
================================  ====================================================================
``outcrop.drift``                 a scene has drifted: sensor, ground, or what the model knows of either
``outcrop.labels-expired``        a scene is younger than the model's labels by more than ``label_days``
================================  ====================================================================

The resource is ``outcrop.site.<survey>.<site>``, with the labels ``outcrop.survey`` and ``outcrop.site``; the payload
has ``survey``, ``site``, ``scene``, ``acquired`` (ISO date), ``model`` (digest), ``kind`` (of drift, else ``labels``),
``sentence``, and ``subject``, under which the ledger knows the date's record. An event has one id, however often a
date is monitored. It goes to the server of ``PREFECT_API_URL``; without one nobody hears it, and nothing fails.
"""

from collections.abc import Mapping
from typing import Any
from uuid import NAMESPACE_URL, uuid5

DRIFT, EXPIRED = "outcrop.drift", "outcrop.labels-expired"


def notices_of(facts: Mapping[str, Any]) -> dict[str, str]:
    """The events that a date's facts call for, each with its sentence."""
    found = {}
    if facts["drift"]["kind"] != "none":
        found[DRIFT] = "; ".join(sign["sentence"] for sign in facts["drift"]["signs"])
    if facts["labels"]["expired"]:
        found[EXPIRED] = f"the model's labels are {facts['labels']['days']} days older than the scene"
    return found


def emit_notices(survey: str, facts: Mapping[str, Any], subject: str) -> None:
    """Emit the events of a date."""
    from prefect.events import emit_event

    for event, sentence in notices_of(facts).items():
        emit_event(
            event=event,
            resource={
                "prefect.resource.id": f"outcrop.site.{survey}.{facts['site']}",
                "prefect.resource.name": facts["site"],
                "outcrop.survey": survey,
                "outcrop.site": facts["site"],
            },
            payload={
                "survey": survey,
                **{name: facts[name] for name in ("site", "scene", "acquired", "model")},
                "kind": facts["drift"]["kind"] if event == DRIFT else "labels",
                "sentence": sentence,
                "subject": subject,
            },
            id=uuid5(NAMESPACE_URL, f"{event}/{subject}"),
        )
