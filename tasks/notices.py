"""What of a monitored date somebody may want to act upon.

The payload of its events has ``survey``, ``site``, ``scene``, ``acquired`` (ISO date), ``model`` (digest), ``kind`` (of
drift, else ``labels``), ``sentence``, and ``subject``, under which the ledger knows the date's record. An event has one
id, however often a date is monitored.
"""

from collections.abc import Mapping
from typing import Any

from tasks.announce import DRIFT, EXPIRED, announce


def notices_of(facts: Mapping[str, Any]) -> dict[str, str]:
    """The events that a date's facts call for, each with its sentence."""
    found = {}
    if facts["drift"]["kind"] != "none":
        found[DRIFT] = "; ".join(sign["sentence"] for sign in facts["drift"]["signs"])
    if facts["labels"]["expired"]:
        found[EXPIRED] = f"the model's labels are {facts['labels']['days']} days older than the scene"
    return found


def emit_notices(survey: str, facts: Mapping[str, Any], subject: str) -> None:
    """Announce the events of a date."""
    for event, sentence in notices_of(facts).items():
        announce(
            event,
            survey,
            site=facts["site"],
            once=subject,
            **{name: facts[name] for name in ("scene", "acquired", "model")},
            kind=facts["drift"]["kind"] if event == DRIFT else "labels",
            sentence=sentence,
            subject=subject,
        )
