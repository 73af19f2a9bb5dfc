"""Step `validate`: take the census and let Great Expectations judge it. The only module that imports that."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from outcrop.errors import DataError, SurveyError
from outcrop.params import Params
from outcrop.survey.census import take_census
from outcrop.survey.declarations import declared_ranges
from outcrop.survey.expectations import Expectation, Suites, read_suites
from outcrop.survey.findings import Finding, tell
from outcrop.survey.sites import Site
from outcrop.survey.surveys import Survey
from outcrop.survey.tables import tables
from tasks.facts import files_digest
from tasks.jobs import Job
from tasks.progress import Progress
from tasks.sharing import share_out
from tasks.steps import Reference, refer, results_of, step
from tasks.workers import ALONE, Runner, Workers
from tasks.workspace import Workspace

#: Sections of the parameters that the census and its checks depend on.
SECTIONS = ("footprint", "sites")
#: The tables that speak of labels.
OF_LABELS = ("classes", "support", "sites")
VERDICT, TABLES = "validation.json", "tables"


@dataclass(frozen=True)
class Verdict:
    """The findings, and how many expectations were checked and how many held."""

    findings: tuple[Finding, ...]
    checked: int
    passed: int


def compiled(suites: Suites, folder: Path) -> dict[str, list[Any]]:
    """Great Expectations' own expectations, by table; each knows its place in its suite. ``folder`` is for errors.

    Raises
    ------
    SurveyError : Great Expectations knows no such expectation, or does not accept its arguments.
    """
    return {
        table: [_compiled(index, entry, folder / f"{table}.yaml") for index, entry in enumerate(entries)]
        for table, entries in suites.items()
    }


def _compiled(index: int, entry: Expectation, path: Path) -> Any:
    from great_expectations.exceptions.exceptions import GreatExpectationsError
    from great_expectations.expectations import expectation as kinds
    from great_expectations.expectations.metadata_types import FailureSeverity
    from great_expectations.expectations.registry import get_expectation_impl

    try:
        kind = get_expectation_impl(entry.type)
    except GreatExpectationsError as cause:
        raise SurveyError(
            f"check `{entry.meta.check}`: there is no expectation `{entry.type}`",
            where=path,
            remedy="see Great Expectations' gallery of expectations",
        ) from cause
    if not issubclass(
        kind, kinds.ColumnMapExpectation | kinds.ColumnPairMapExpectation | kinds.MulticolumnMapExpectation
    ):
        raise _by_column(entry, path)
    try:
        meta = {**entry.meta.model_dump(), "index": index}
        return kind(**entry.kwargs, severity=FailureSeverity(entry.severity), meta=meta)
    except (ValueError, TypeError) as cause:  # the former is pydantic's
        raise SurveyError(
            f"check `{entry.meta.check}`: {_first_line(cause)}",
            where=path,
            remedy=f"correct the kwargs of {entry.type}",
        ) from cause


def _first_line(cause: Exception) -> str:
    """What Great Expectations' pydantic says of the first thing that is wrong, else the error's first line."""
    told: list[Any] = getattr(cause, "errors", list)()
    if not told:
        return str(cause).splitlines()[0]
    where = ".".join(str(part) for part in told[0]["loc"] if part != "__root__")
    return f"{where}: {told[0]['msg']}" if where else str(told[0]["msg"])


def judge(frames: Mapping[str, pd.DataFrame], suites: Suites, folder: Path) -> Verdict:
    """Validate the tables; of one row and check only the gravest finding is kept.

    Raises
    ------
    SurveyError : an expectation does not fit its column.
    """
    found: list[Finding] = []
    checked = passed = 0
    context = _context()
    for table, expectations in compiled(suites, folder).items():
        failed: dict[int, list[int]] = {}
        for result in _validate(context, table, frames[table], expectations):
            index = result.expectation_config.meta["index"]
            checked += 1
            passed += bool(result.success)
            failed[index] = _failing_rows(result, suites[table][index], folder / f"{table}.yaml")
        found += _told(table, suites[table], failed, frames[table])
    return Verdict(tuple(found), checked, passed)


def _told(
    table: str, suite: Sequence[Expectation], failed: Mapping[int, list[int]], rows: pd.DataFrame
) -> list[Finding]:
    """Findings in the suite's order, the critical ones of a check before its warnings."""
    found: list[Finding] = []
    checks = dict.fromkeys(entry.meta.check for entry in suite)
    for check in checks:
        told: set[int] = set()
        ordered = sorted(
            (index for index in failed if suite[index].meta.check == check), key=lambda index: suite[index].severity
        )
        for index in ordered:
            left = [row for row in failed[index] if row not in told]
            told.update(left)
            found += tell(table, suite[index], rows.loc[left])
    return found


def _failing_rows(result: Any, entry: Expectation, path: Path) -> list[int]:
    """The rows that do not meet an expectation. What it raised, Great Expectations does not raise but tells."""
    if result.success:
        return []
    info = result.exception_info or {}
    for failure in [info] if "raised_exception" in info else info.values():
        if failure["raised_exception"]:
            reason = (failure["exception_message"] or "").strip().splitlines() or ["it does not fit the column"]
            raise SurveyError(
                f"check `{entry.meta.check}` cannot be computed: {reason[-1]}",
                where=path,
                remedy=f"choose an expectation and arguments that fit {', '.join(map(str, entry.columns()))}",
            )
    if "unexpected_index_list" not in result.result:
        raise _by_column(entry, path)
    return list(result.result["unexpected_index_list"])


def _by_column(entry: Expectation, path: Path) -> SurveyError:
    return SurveyError(
        f"check `{entry.meta.check}`: `{entry.type}` does not judge row by row",
        where=path,
        remedy="use an expectation about the values of a column",
    )


def _context() -> Any:
    """A context of Great Expectations that keeps nothing and says nothing."""
    import great_expectations as gx  # 3 s: only where data are judged
    from great_expectations.data_context.types.base import ProgressBarsConfig

    # It announces every temporary folder, at a level that it sets itself on import.
    logging.getLogger("great_expectations.data_context.types.base").setLevel(logging.WARNING)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context


def _validate(context: Any, table: str, frame: pd.DataFrame, expectations: Sequence[Any]) -> list[Any]:
    """Results of one suite; each lists the rows that do not meet it."""
    import great_expectations as gx

    asset = context.data_sources.add_pandas(table).add_dataframe_asset(table)
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
    wanted = {"result_format": "COMPLETE", "return_unexpected_index_query": False}
    return list(
        batch.validate(gx.ExpectationSuite(name=table, expectations=expectations), result_format=wanted).results
    )


@step("validate")
def validate(job: Job, key: str, labels: bool = True, workers: Workers = ALONE) -> dict[str, str]:
    """Census and verdict; critical findings stop the flow. Without ``labels``, what is asked of them is not asked.

    Raises
    ------
    DataError : one sentence that holds every critical finding.
    """
    with job.tracker.step(job.parent, "validate", key) as run, results_of(job.workspace, "validate", key) as folder:
        verdict = examine(job.workspace, job.survey, job.sites, job.params, folder, labels=labels, workers=workers)
        run.files([folder / VERDICT, folder / "census.json"])
        run.tags({"validation": _gravest(verdict)})
        run.inputs(job.hashes)
        refuse_critical(verdict)
    return refer(job.workspace, "validate", key, run.run_id)


def examine(
    workspace: Workspace,
    survey: Survey,
    sites: Sequence[Site],
    params: Params,
    folder: Path,
    *,
    labels: bool = True,
    workers: Workers = ALONE,
) -> Verdict:
    """Take the census into ``folder``, judge it, and write the verdict and the judged tables beside it.

    Parameters
    ----------
    labels : judge the sites' labels too; a site that is not trained on needs none
    workers : who counts; of several each has a scene at a time, in the same folders

    Raises
    ------
    SurveyError : the survey's expectations cannot be used.
    """
    place = workspace.root / survey.expectations
    suites = {name: suite for name, suite in read_suites(place).items() if labels or name not in OF_LABELS}
    compiled(suites, place)  # before minutes of reading
    with Progress("Reading blocks", _block_count(sites)) as progress:
        shared = None if workers.runner is Runner.threads else partial(share_out, workers)
        census = take_census(sites, params.footprint, declared_ranges(survey), folder, progress.advance, shared)
    frames = tables(survey, sites, census)
    (folder / TABLES).mkdir(exist_ok=True)
    for name, frame in frames.items():
        frame.to_csv(folder / TABLES / f"{name}.csv", index=False)
    verdict = judge(frames, suites, place)
    (folder / VERDICT).write_text(json.dumps(asdict(verdict), indent=1))
    return verdict


def refuse_critical(verdict: Verdict) -> None:
    """Raise one sentence that holds every critical finding, if there is one."""
    critical = [f"{found.where}: {found.sentence}" for found in verdict.findings if found.severity == "critical"]
    if critical:
        remedy = "mend the data, or what the survey's expectations ask of them"
        raise DataError(f"the data are not fit to train on: {'; '.join(critical)}", remedy=remedy)


def _gravest(verdict: Verdict) -> str:
    severities = {finding.severity for finding in verdict.findings}
    return "critical" if "critical" in severities else "warning" if severities else "passed"


def read_verdict(folder: Path) -> Verdict:
    """The verdict that the step wrote."""
    stored = json.loads((folder / VERDICT).read_text())
    return Verdict(tuple(Finding(**entry) for entry in stored["findings"]), stored["checked"], stored["passed"])


def census_digest(reference: Reference, workspace: Workspace) -> str:
    """Digest of what a training takes from the census: another verdict on the same data trains nothing again."""
    return files_digest(reference.path(workspace))


def _block_count(sites: Sequence[Site]) -> int:
    return sum(
        -(-scene.grid.height // site.block) * -(-scene.grid.width // site.block)
        for site in sites
        for scene in site.scenes
    )
