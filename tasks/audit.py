"""Auditing a model: which one is meant, and every question that is asked of it."""

import re
from pathlib import Path
from tempfile import TemporaryDirectory

from outcrop.errors import OutcropError, RecordError
from outcrop.record.archives import SIGNATURES
from outcrop.record.audits import Audit, Chain, check_code, check_files, check_graph, check_ledger, in_words
from outcrop.record.lineages import Lineage
from outcrop.record.signatures import check_signature, fingerprint
from tasks.champions import last_promotion, signed_files
from tasks.custody import check_sites
from tasks.pinning import Pins, check_blocks
from tasks.records import archive_of
from tasks.reevaluate import check_scores
from tasks.registrations import check_metrics, check_registry
from tasks.tracking import CHAMPION, Registry
from tasks.workspace import Workspace

EXAMPLES = "name one as student@champion, simulated-student/3, or by its record"


def find_subject(workspace: Workspace, lineage: Lineage, registry: Registry | None, model: str) -> tuple[str, str]:
    """The record of a model, and what it is called.

    Parameters
    ----------
    model : what `Registry.find` takes: `student@champion`, `<survey>-<role>/<version>`, ...; or the beginning of a
        record's id

    Raises
    ------
    ModelError, RecordError : there is no such model, or there are several.
    """
    if not re.fullmatch("[0-9a-f]{6,64}", model):
        if registry is None:
            return _promoted(lineage, model)
        version = registry.find(model)
        if version.record is None:
            raise RecordError(f"{version.uri} was registered without a record", remedy=EXAMPLES)
        return version.record, f"{version.name}/{version.version}"
    found = [record for record in lineage.entries if record.startswith(model)]
    if len(found) != 1:
        raise RecordError(f"no record begins with {model}" if not found else f"{model} is ambiguous", remedy=EXAMPLES)
    return found[0], f"record {found[0][:12]}"


def _promoted(lineage: Lineage, model: str) -> tuple[str, str]:
    """The champion by the ledger alone: for where the registry was lost."""
    name, alias = model.removeprefix("models:/").partition("@")[::2]
    known = {lineage.records[each].name for each in lineage.of_kind("promotion")}
    found = [each for each in sorted(known) if each == name or each.endswith(f"-{name}")]
    if len(found) > 1:
        raise RecordError(f"there are several: {', '.join(found)}", remedy="name one of them")
    last = last_promotion(lineage, found[0]) if found and alias in ("", CHAMPION) else None
    if last is None:
        raise RecordError(f"no promotion of {model} was recorded, and there is no registry", remedy=EXAMPLES)
    return last.inputs["challenger"], f"{found[0]}/{last.facts['version']}"


def audit_model(
    workspace: Workspace, model: str, key: Path | None = None, *, replay: bool = False
) -> tuple[Audit, Chain]:
    """Ask everything of a model.

    Parameters
    ----------
    model : see `find_subject`
    key : the public key that must have signed its promotion
    replay : also train it again, and all that it was made from

    Raises
    ------
    RecordError : nothing was recorded here, or there is no such model.
    """
    archive = archive_of(workspace)
    archive.project  # noqa: B018
    lineage, registry = Lineage(archive), Registry.open(workspace)
    subject, called = find_subject(workspace, lineage, registry, model)
    audit, chain = Audit(called), Chain.of(lineage, subject)
    check_ledger(audit, archive)
    check_registry(audit, registry, archive, lineage)
    check_graph(audit, chain)
    check_files(audit, chain, archive)
    check_code(audit, chain, workspace.root)
    check_metrics(audit, chain, registry, archive)
    check_promotion(audit, chain, workspace, key)
    with TemporaryDirectory(dir=workspace.state if workspace.state.is_dir() else None) as scratch:
        whole = check_sites(audit, chain, workspace, Path(scratch))
        measure_again(audit, chain, workspace, Path(scratch), whole=whole, replay=replay)
    return audit, chain


def check_promotion(audit: Audit, chain: Chain, workspace: Workspace, key: Path | None) -> None:
    """The signature of the model's last promotion. Once one was signed, all later ones must be."""
    lineage, archive = chain.lineage, archive_of(workspace)
    own = [name for name, record in chain.records("promotion") if record.inputs.get("challenger") == chain.subject]
    if not own:
        audit.ask("signature", "promotion", [], "never promoted, so there is nothing to sign")
        return
    promotion, model = lineage.records[own[-1]], lineage.records.get(chain.subject)
    before = [lineage.records[name] for name in lineage.of_kind("promotion")]
    due = key or any(each.facts.get("signer") for each in before)
    if not due:
        audit.ask("signature", "promotion", [], "unsigned, as every promotion of this project")
    elif not promotion.facts.get("signer"):
        audit.ask("signature", "promotion", ["the signature is absent: this promotion was not signed"])
    elif key is None and (archive.folder / SIGNATURES / f"{own[-1]}.sig").is_file():
        audit.skip("signature", "promotion", "give the signer's public key with --key")
    elif key is None:
        audit.ask("signature", "promotion", ["the signature is absent"])
    elif model is None:
        audit.skip("signature", "promotion", "the model's record cannot be read")
    else:
        fingerprint(key)
        faults = check_signature(archive, own[-1], signed_files(archive, model), key)
        audit.ask("signature", "promotion", faults, f"signed by {promotion.facts['signer'][:12]}")


def measure_again(
    audit: Audit, chain: Chain, workspace: Workspace, scratch: Path, *, whole: bool, replay: bool
) -> None:
    """Score the model on its pinned test blocks; where what that needs failed a check, it is not possible."""
    if replay and not whole:
        audit.skip("replay", "trained again", "the sites are not whole")
    if not whole:
        audit.skip("metrics", "measured again", "the sites are not whole")
        return
    if chain.subject not in chain.lineage.records:
        audit.skip("metrics", "measured again", "the model's record cannot be read")
        return
    try:
        pins = Pins(chain, workspace, scratch)
        check_blocks(audit, chain, pins)
        check_scores(audit, chain, pins, archive_of(workspace), scratch)
        if replay:
            from tasks.replay import check_replay  # brings the steps, and what runs them

            check_replay(audit, chain, pins, workspace, scratch)
    except OutcropError as error:
        audit.skip("metrics", "measured again", in_words(error))
    except (OSError, KeyError) as error:
        audit.skip("metrics", "measured again", f"what it needs cannot be read: {error}")
