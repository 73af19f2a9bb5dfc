"""Reading an export, and asking it. Needs ONNX and its runtime, and no torch."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import onnx
import onnxruntime
from google.protobuf.message import DecodeError
from onnxruntime.capi.onnxruntime_pybind11_state import (
    Fail,
    InvalidArgument,
    InvalidGraph,
    InvalidProtobuf,
    NoSuchFile,
)
from pydantic import Field, ValidationError

from outcrop.errors import ModelError
from outcrop.field.predictors import Said, Windows
from outcrop.field.profiles import ModelProfile
from outcrop.settings import Section

#: The manifest, and the digests of all other files, as `sha256sum --check` reads them.
MANIFEST, SUMS = "export.json", "SHA256SUMS"
FORMAT: Literal[1] = 1
Precision = Literal["fp32", "int8"]
AGAIN = "copy the export again, or make it anew with `outcrop export`"


class Source(Section):
    """Where an export comes from: the model and its digest, the run and the data behind it, and the code."""

    model: str
    digest: str
    uri: str | None
    run_id: str | None
    trained_on: tuple[str, ...]
    data: dict[str, str]
    commit: str | None
    dirty: bool
    packages: dict[str, str]


class Graph(Section):
    """One precision's graph: its file, and how it scored on validation cells of the sites it was calibrated on.

    ``macro_f1`` is None where these have no labels.
    """

    file: str
    bytes: int
    macro_f1: float | None
    difference: Annotated[float, Field(description="largest difference of a probability from torch's")]


class Export(Section):
    """``export.json``. ``confusion`` is that on test blocks, see `outcrop.field.carbon.fractions`; None: not tested."""

    format: Literal[1]
    profile: ModelProfile
    source: Source
    graphs: dict[Precision, Graph]
    refused: dict[Precision, str]
    metrics: dict[str, float]
    confusion: dict[str, Any] | None = None
    calibration: dict[str, Any]


def is_export(folder: Path) -> bool:
    """Whether a folder was made by `outcrop export`."""
    return (folder / MANIFEST).is_file()


def digest_of(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_export(folder: Path) -> Export:
    """Read an export and check that its files are the ones that were written.

    Raises
    ------
    ModelError : a file is missing, was altered, or says nothing that can be read.
    """
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
        for digest, name in (line.split("  ", 1) for line in lines):
            if digest_of(folder / name) != digest:
                raise ModelError(f"the export's `{name}` was altered", where=folder, remedy=AGAIN)
        return Export.model_validate_json((folder / MANIFEST).read_text(encoding="utf-8"))
    except OSError as cause:
        raise ModelError("a file of the export cannot be read", where=cause.filename, remedy=AGAIN) from cause
    except (ValidationError, ValueError) as cause:
        raise ModelError("the export says nothing that can be read", where=folder / MANIFEST, remedy=AGAIN) from cause


class ExportedPredictor:
    """An export's graph in ONNX Runtime; every call runs on the thread that makes it.

    Raises
    ------
    ModelError : the export is damaged, or has no graph of this precision.
    """

    tells_strangeness = True

    def __init__(self, folder: Path, precision: Precision = "fp32") -> None:
        self.export = read_export(folder)
        self.profile = self.export.profile
        if precision not in self.export.graphs:
            why = self.export.refused.get(precision, "it was not asked for")
            raise ModelError(
                f"the export has no {precision} graph: {why}", where=folder, remedy="take another precision"
            )
        self._session = open_graph(folder / self.export.graphs[precision].file)

    def predict(self, windows: Windows) -> Said:
        """What the graph says of a tile."""
        return Said(*self._session.run(None, dict(windows)))


def open_graph(path: Path) -> Any:
    """A session of ONNX Runtime's that runs on the thread that calls it.

    Tiles run side by side, each on one thread: so neither the result nor the speed depends on how many there are.

    Raises
    ------
    ModelError : ONNX Runtime cannot read the file, or the graph takes its values from other files.
    """
    _check_alone(path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except (Fail, InvalidArgument, InvalidGraph, InvalidProtobuf, NoSuchFile) as cause:
        raise ModelError("ONNX Runtime cannot read the graph", where=path, remedy=AGAIN) from cause


def _check_alone(path: Path) -> None:
    """Refuse a graph whose tensors name files: ONNX Runtime would read them, and no digest knows them."""
    try:
        graph = onnx.load(path, load_external_data=False)
    except (OSError, DecodeError) as cause:
        raise ModelError("ONNX cannot read the graph", where=path, remedy=AGAIN) from cause
    for tensor in _tensors(graph):
        if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
            named = next((entry.value for entry in tensor.external_data if entry.key == "location"), "")
            raise ModelError(f"the graph takes values from another file, `{named}`", where=path, remedy=AGAIN)


def _tensors(message: Any) -> Iterator[Any]:
    """Every tensor of a graph, at whatever depth: initialisers, attributes of nodes, graphs in branches, functions."""
    if isinstance(message, onnx.TensorProto):
        yield message
        return
    for kind, value in message.ListFields():
        if kind.message_type is not None:
            for each in value if hasattr(value, "add") else (value,):
                yield from _tensors(each)
