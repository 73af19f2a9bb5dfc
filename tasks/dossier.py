"""Writing down an audit: page, data, bill of materials, lineage events and model card, in one folder."""

import json
import re
from dataclasses import asdict
from typing import Any

from outcrop.record.audits import Audit, Chain
from outcrop.record.boms import write_bill
from outcrop.record.dossiers import gather_dossier
from outcrop.record.drafts import write_whole
from outcrop.record.events import emit_events
from outcrop.record.pages import render_page
from tasks.records import archive_of
from tasks.workspace import Workspace

PAGE, DATA, BILL, EVENTS, CARD = "audit.html", "audit.json", "bom.cdx.json", "openlineage.jsonl", "card.md"


def write_audit(workspace: Workspace, audit: Audit, chain: Chain) -> dict[str, Any]:
    """Write everything below ``reports/``; gives the verdict in a sentence, and where each file is."""
    dossier = gather_dossier(audit, chain, archive_of(workspace))
    folder = workspace.root / "reports" / ("audit-" + re.sub(r"[^\w.-]+", "-", audit.subject))
    texts = {
        PAGE: render_page("audit.html", page=dossier),
        CARD: render_page("card.md", page=dossier),
        DATA: json.dumps({**asdict(dossier), "graph": None}, indent=1),
    }
    for name, text in texts.items():
        write_whole(folder / name, text, "audit")
    write_bill(dossier, folder / BILL)
    events = emit_events(chain, folder / EVENTS)
    return {
        "sentence": dossier.sentence,
        "page": str(folder / PAGE),
        "data": str(folder / DATA),
        "bill": str(folder / BILL),
        "card": str(folder / CARD),
        "events": str(events) if events else None,
    }
