"""What goes with an export: its manifest, a model card for people, a STAC item (MLM extension), and digests of all."""

import json
from pathlib import Path
from typing import Any

from outcrop.field.exported import MANIFEST, SUMS, Export, digest_of
from outcrop.field.graphs import OPSET, OUTPUTS
from outcrop.field.profiles import ModalityProfile

CARD, ITEM = "MODEL_CARD.md", "model.stac.json"
#: Where the template of the model card lies.
TEMPLATES = Path(__file__).parent / "templates"
MLM = "https://stac-extensions.github.io/mlm/v1.4.0/schema.json"
CLASSIFICATION = "https://stac-extensions.github.io/classification/v2.0.0/schema.json"
FILE = "https://stac-extensions.github.io/file/v2.1.0/schema.json"


def write_export(export: Export, card: str, folder: Path) -> None:
    """Write all of an export but its graphs, which lie in ``folder``; ``card`` is the model card's text."""
    (folder / MANIFEST).write_text(export.model_dump_json(indent=1) + "\n", encoding="utf-8")
    (folder / CARD).write_text(card, encoding="utf-8")
    item = json.dumps(model_item(export), indent=2, allow_nan=False)
    (folder / ITEM).write_text(item + "\n", encoding="utf-8")
    sums = [f"{digest_of(path)}  {path.name}\n" for path in sorted(folder.iterdir())]
    (folder / SUMS).write_text("".join(sums), encoding="utf-8")


def model_item(export: Export) -> dict[str, Any]:
    """An export as a STAC item with the fields of the Machine Learning Model extension 1.4.

    A model has no place and no moment of acquisition: its geometry is null, its time the run of time.
    """
    profile = export.profile
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": [MLM, CLASSIFICATION],
        "id": export.source.model,
        "geometry": None,
        "properties": {
            "datetime": None,
            "start_datetime": "1970-01-01T00:00:00Z",
            "end_datetime": "9999-12-31T23:59:59Z",
            "mlm:name": export.source.model,
            "mlm:architecture": f"Outcrop {profile.role}, dense",
            "mlm:tasks": ["semantic-segmentation"],
            "mlm:framework": "ONNX",
            "mlm:framework_version": f"opset {OPSET}",
            "mlm:accelerator": None,
            "mlm:batch_size_suggestion": 1,
            "mlm:input": [_input(entry) for entry in profile.inputs],
            "mlm:output": [_output(export)],
            "outcrop:footprint": profile.footprint,
            "outcrop:normalisation": {
                entry.name: {"type": "z-score", "mean": entry.mean, "stddev": entry.std} for entry in profile.inputs
            },
            "outcrop:survey": profile.survey,
            "outcrop:digest": export.source.digest,
        },
        "links": [],
        "assets": {
            precision: {
                "href": f"./{graph.file}",
                "type": "application/octet-stream; framework=onnx",
                "title": f"{precision} graph",
                "roles": ["mlm:model", "data"],
                "mlm:artifact_type": "onnx",
            }
            for precision, graph in export.graphs.items()
        },
    }


def _input(entry: ModalityProfile) -> dict[str, Any]:
    return {
        "name": entry.name,
        "description": f"Native pixels in {entry.unit}; normalised inside the graph, as outcrop:normalisation says",
        "bands": [band.name for band in entry.bands],
        "input": {
            "shape": [1, len(entry.bands), -1, -1],
            "dim_order": ["batch", "bands", "height", "width"],
            "data_type": "float32",
        },
        "value_scaling": None,
        "resize_type": None,
        "pre_processing_function": None,
    }


def _output(export: Export) -> dict[str, Any]:
    classes = [
        {
            "value": value,
            "name": entry.name,
            "description": entry.name.replace("_", " "),
            "color_hint": entry.colour[1:],
        }
        for value, entry in enumerate(export.profile.classes)
    ]
    return {
        "name": OUTPUTS[0],
        "tasks": ["semantic-segmentation"],
        "description": "Probability of every class, of every base cell, row by row",
        "result": {"shape": [-1, len(classes)], "dim_order": ["cell", "class"], "data_type": "float32"},
        "classification:classes": classes,
        "post_processing_function": None,
    }
