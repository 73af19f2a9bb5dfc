"""The report of one run: a single HTML file that needs nothing else, for a geologist and an engineer alike.

Fill a `Report` with results that exist already and hand it to `write_report`. Nothing is computed here. Metrics are
mappings as `measure` returns them: ``macro_f1``, ``overall_accuracy``, ``average_accuracy``, ``kappa``, ``iou``,
``ece`` (shares of 1), ``nll`` (nats), ``per_class`` (by name: ``f1``, ``support``), ``interval`` (by name: lower and
upper end), ``absent`` (classes without support); and, of the cost, ``latency_ms_p50``, ``latency_ms_p95`` (ms a patch),
``throughput`` (patches/s), ``parameters`` and ``bytes``. What is missing, None or not finite is shown as an en dash.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from outcrop.record.drafts import write_whole
from outcrop.record.formats import NOTHING, Interval, Picture
from outcrop.record.pages import render_page

Metrics = Mapping[str, Any]


@dataclass(frozen=True)
class Quotient:
    """A comparison of models: its value and 95 % interval, or the reason why it is not defined."""

    value: float | None
    interval: Interval | None = None
    reason: str = ""


@dataclass(frozen=True)
class ModelRow:
    """One model of the results table.

    Parameters
    ----------
    inputs : what it sees and was taught by, e.g. "RGB, distilled"
    subject : the model that the report is about; its row is marked
    confusion : its confusion matrix, rows normalised
    """

    name: str
    inputs: str
    metrics: Metrics
    subject: bool = False
    confusion: Picture | None = None


@dataclass(frozen=True)
class ModalityRow:
    """One modality of a site. ``fine`` native pixels a side in a base cell; ``coarse`` base cells a side in a pixel.

    ``notes`` say what a reader must know of its rasters beside their origin.
    """

    name: str
    bands: int
    unit: str
    fine: int = 1
    coarse: int = 1
    derived_from: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class SceneSummary:
    """One scene: its base grid in cells, the cell's side with its unit ("2 m"), its pictures, notes of its labels."""

    id: str
    height: int
    width: int
    cell: str = ""
    crs: str | None = None
    pictures: tuple[Picture, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class SiteSummary:
    """One site.

    Parameters
    ----------
    digest : DVC's hash of its bytes; None where it is not tracked
    cells : labelled cells of each class, by split
    quicklook : every modality, the labels and the split at a glance
    """

    name: str
    digest: str | None
    scenes: tuple[SceneSummary, ...]
    modalities: tuple[ModalityRow, ...]
    cells: Mapping[str, Mapping[str, int]]
    quicklook: Picture | None = None


@dataclass(frozen=True)
class Finding:
    """What a validation check found: ``none`` is a remark, ``warning`` is shown, ``critical`` stops a flow."""

    severity: Literal["none", "warning", "critical"]
    check: str
    where: str
    sentence: str


@dataclass(frozen=True)
class Step:
    """One step of the run. ``run_id`` is MLflow's; None for a step that only prepares data."""

    name: str
    key: str
    run_id: str | None
    cached: bool


@dataclass(frozen=True)
class Artefact:
    """A registered model: where it is, and the digest of what it holds."""

    name: str
    uri: str
    digest: str


@dataclass(frozen=True)
class Change:
    """A parameter that differs from the default in ``params.yaml``."""

    name: str
    default: Any
    value: Any


@dataclass(frozen=True)
class Lineage:
    """Where the run came from.

    Parameters
    ----------
    dirty : code, parameters or lock differed from the commit
    parameters : all of them, nested as in ``params.yaml``
    """

    run_id: str
    commit: str
    dirty: bool
    flow_key: str
    source_digest: str
    seed: int
    device: str
    packages: Mapping[str, str]
    steps: tuple[Step, ...]
    models: tuple[Artefact, ...]
    changes: tuple[Change, ...]
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class Report:
    """Everything that a report says.

    Parameters
    ----------
    title : the survey's title
    verdict : one sentence in plain language
    created : date and time, as it is to be read
    models : rows of the results table, in the order of the table
    gain : student macro-F1 less its control's
    curves : learning curves of teacher, control and student
    correctness : the student's right and wrong test cells, a picture a scene
    scores : macro-F1 of every model with its interval
    notes : what the reader must know beside the verdict, e.g. a rung that was left out and why
    """

    title: str
    verdict: str
    created: str
    models: tuple[ModelRow, ...]
    retention: Quotient
    gap_recovered: Quotient
    gain: Quotient
    sites: tuple[SiteSummary, ...]
    findings: tuple[Finding, ...]
    checks_passed: int
    curves: tuple[Picture, ...]
    correctness: tuple[Picture, ...]
    lineage: Lineage
    scores: Picture | None = None
    notes: tuple[str, ...] = ()


def write_report(report: Report, path: Path) -> Path:
    """Write the report to ``path``, whole or not at all, and return the path.

    Raises
    ------
    WorkspaceError : the file cannot be written.
    """
    return write_whole(path, render_report(report), "report")


def render_report(report: Report) -> str:
    """The report as one HTML page: styles and pictures inside, no script, nothing loaded from elsewhere."""
    return render_page(
        "report.html",
        report=report,
        nothing=NOTHING,
        support=_support(report.models),
        absent=_absent(report.models),
        binary=any(row.metrics.get("iou") is not None for row in report.models),
        confusions=[(row.name, row.confusion) for row in report.models if row.confusion],
    )


def _support(models: Sequence[ModelRow]) -> dict[str, int | None]:
    """Test cells of every class that any model was scored on, in the order of first mention."""
    found: dict[str, int | None] = {}
    for row in models:
        for name, scored in (row.metrics.get("per_class") or {}).items():
            found.setdefault(name, scored.get("support"))
    return found


def _absent(models: Sequence[ModelRow]) -> list[str]:
    return list(dict.fromkeys(name for row in models for name in row.metrics.get("absent") or ()))
