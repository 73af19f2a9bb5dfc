"""Reading an export, and asking it. Needs ONNX Runtime, and no torch."""

import hashlib
from pathlib import Path
from typing import Literal

import onnxruntime
from pydantic import ValidationError

from outcrop.errors import ModelError
from outcrop.field.predictors import Said, Windows
from outcrop.field.profiles import ModelProfile
from outcrop.settings import Section

MANIFEST, SUMS = "export.json", "SHA256SUMS"
Precision = Literal["fp32", "int8"]
AGAIN = "copy the export again, or make it anew with `outcrop export`"


class Export(Section):
    """``export.json``: the model's profile, and the graph's file by precision."""

    profile: ModelProfile
    graphs: dict[Precision, str]
    quantile: float


def is_export(folder: Path) -> bool:
    """Whether a folder was made by `outcrop export`."""
    return (folder / MANIFEST).is_file()


def read_export(folder: Path) -> Export:
    """Read an export and check that its files are the ones that were written.

    Raises
    ------
    ModelError : a file is missing, was altered, or says nothing that can be read.
    """
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
        for digest, name in (line.split("  ", 1) for line in lines):
            with (folder / name).open("rb") as stream:
                if hashlib.file_digest(stream, "sha256").hexdigest() != digest:
                    raise ModelError(
                        f"the export's `{name}` is not the file that was exported", where=folder, remedy=AGAIN
                    )
        return Export.model_validate_json((folder / MANIFEST).read_text(encoding="utf-8"))
    except OSError as cause:
        raise ModelError("a file of the export cannot be read", where=cause.filename, remedy=AGAIN) from cause
    except (ValidationError, ValueError) as cause:
        raise ModelError("the export's files say nothing that can be read", where=folder, remedy=AGAIN) from cause


class ExportedPredictor:
    """An export's graph in ONNX Runtime; every call runs on the thread that makes it."""

    def __init__(self, folder: Path, precision: Precision = "fp32") -> None:
        export = read_export(folder)
        if precision not in export.graphs:
            raise ModelError(f"the export has no {precision} graph", where=folder, remedy="take --precision fp32")
        self.profile, self.quantile = export.profile, export.quantile
        options = onnxruntime.SessionOptions()
        # Tiles run side by side, each on one thread: so that neither the result nor the speed depends on how many.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        try:
            path = folder / export.graphs[precision]
            self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as cause:  # noqa: BLE001 - ONNX Runtime's own errors have no common class
            raise ModelError("ONNX Runtime cannot read the graph", where=path, remedy=AGAIN) from cause

    def predict(self, windows: Windows) -> Said:
        """What the graph says of a tile."""
        probabilities, strangeness = self._session.run(None, dict(windows))
        return Said(probabilities, strangeness)
