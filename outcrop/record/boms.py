"""A bill of materials of a model in CycloneDX 1.6 (ML-BOM): https://cyclonedx.org/docs/1.6/json/.

The library has no model card yet: the document is written as data and held against the standard's schema.
"""

import json
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from outcrop.errors import RecordError
from outcrop.record.dossiers import Dossier
from outcrop.record.drafts import write_whole


def bill_of_materials(dossier: Dossier) -> dict[str, Any]:
    """The document: the model with its card, the sites that it was trained on, the packages that trained it."""
    sites = [_site(dossier, place) for place in range(len(dossier.sites))]
    packages = [
        {"type": "library", "bom-ref": f"pkg:pypi/{name}@{version}", "name": name, "version": version}
        | ({"purl": f"pkg:pypi/{name}@{version}"} if name != "python" else {})
        for name, version in dossier.packages.items()
    ]
    steps = [_step(dossier, place) for place in range(len(dossier.steps))]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid5(NAMESPACE_URL, dossier.record)}",
        "version": 1,
        "metadata": {"component": _model(dossier)},
        "components": [*steps, *sites, *packages],
        "dependencies": [
            {"ref": dossier.record, "dependsOn": [each["bom-ref"] for each in (*steps, *sites, *packages)]}
        ],
    }


def _model(dossier: Dossier) -> dict[str, Any]:
    own = next((row for row in dossier.scores if row.subject), None)
    metrics = []
    if own is not None:
        low, high = own.interval
        metrics = [{"type": name, "value": f"{value:.6f}"} for name, value in own.metrics.items()]
        metrics[0]["confidenceInterval"] = {"lowerBound": f"{low:.6f}", "upperBound": f"{high:.6f}"}  # type: ignore[assignment]
    card: dict[str, Any] = {
        "modelParameters": {
            "approach": {"type": "supervised"},
            "task": "pixel-wise classification of minerals",
            "architectureFamily": "convolutional network",
            "datasets": [{"ref": f"dvc:{site.dvc}"} for site in dossier.sites],
            "inputs": [{"format": str(name)} for name in dossier.facts.get("modalities", [])],
            "outputs": [{"format": "class probabilities"}],
        },
        "quantitativeAnalysis": {"performanceMetrics": metrics},
    }
    return {
        "type": "machine-learning-model",
        "bom-ref": dossier.record,
        "name": dossier.name,
        "version": dossier.digest[:12] or "unknown",
        "hashes": [{"alg": "SHA-256", "content": dossier.digest}] if dossier.digest else [],
        "modelCard": card,
        "properties": [
            {"name": "outcrop:verdict", "value": dossier.verdict},
            {"name": "outcrop:ledger", "value": f"{dossier.head.length}:{dossier.head.hash}"},
        ],
    }


def _site(dossier: Dossier, place: int) -> dict[str, Any]:
    site = dossier.sites[place]
    data = {"type": "dataset", "name": site.name, "contents": {"properties": [{"name": "dvc", "value": site.dvc}]}}
    return {
        "type": "data",
        "bom-ref": f"dvc:{site.dvc}",
        "name": site.name,
        "version": site.dvc,
        "data": [data],
    }


def _step(dossier: Dossier, place: int) -> dict[str, Any]:
    step = dossier.steps[place]
    kind = "machine-learning-model" if step.kind == "model" else "data"
    # The audited model is the subject of the document, not one of its parts.
    ref = step.record if step.record != dossier.record else f"step:{step.record}"
    properties = [{"name": "outcrop:commit", "value": step.commit}, {"name": "outcrop:kind", "value": step.kind}]
    hashes = [{"alg": "SHA-256", "content": step.record}]
    return {
        "type": kind,
        "bom-ref": ref,
        "name": step.name,
        "version": step.record[:12],
        "hashes": hashes,
        "properties": properties,
    }


def write_bill(dossier: Dossier, path: Path) -> Path:
    """Write the document, once it holds against the schema.

    Raises
    ------
    RecordError : it does not, or cannot be written.
    """
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    text = json.dumps(bill_of_materials(dossier), indent=1)
    if fault := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        raise RecordError(f"the bill of materials breaks its schema: {fault.data.message}", where=path)
    return write_whole(path, text + "\n", "bill of materials")
