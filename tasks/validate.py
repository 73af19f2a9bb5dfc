"""Step `validate`: take the census and let Great Expectations judge it. The only module that imports that."""

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from outcrop.errors import DataError
from outcrop.params import Params
from outcrop.survey.census import Census, take_census
from outcrop.survey.checks import Check, Finding, Severity, checks, tables
from outcrop.survey.declarations import declared_ranges
from outcrop.survey.sites import Site
from outcrop.survey.surveys import Survey
from tasks.jobs import Job
from tasks.progress import Progress
from tasks.steps import refer, results_of, step

#: Sections of the parameters that the census and its checks depend on.
SECTIONS = ("footprint", "validate")
VERDICT = "validation.json"


@dataclass(frozen=True)
class Verdict:
    """The findings, and how many expectations were checked and how many held."""

    findings: tuple[Finding, ...]
    checked: int
    passed: int


def judge(survey: Survey, sites: Sequence[Site], census: Census, params: Params) -> Verdict:
    """Validate the census; of one row and check only the gravest finding is kept."""
    found: dict[tuple[str, int], Finding] = {}
    checked = passed = 0
    context = _context()
    frames = tables(survey, sites, census)
    for table, chosen in _by_table(checks(params.validate_)).items():
        for result in _validate(context, table, frames[table], chosen):
            checked += 1
            passed += bool(result.success)
            config = result.expectation_config
            check = next(c for c in chosen if c.name == config.meta["check"])
            for row in result.result.get("unexpected_index_list") or []:
                known = found.get((check.name, row))
                if known is None or known.severity == "warning":
                    severity = cast(Severity, config.meta["severity"])
                    found[check.name, row] = check.finding(severity, frames[table].loc[row].to_dict())
    return Verdict(tuple(found.values()), checked, passed)


def _context() -> Any:
    """A context of Great Expectations that keeps nothing and says nothing."""
    import great_expectations as gx  # 3 s: only where data are judged
    from great_expectations.data_context.types.base import ProgressBarsConfig

    # It announces every temporary folder, at a level that it sets itself on import.
    logging.getLogger("great_expectations.data_context.types.base").setLevel(logging.WARNING)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context


def _by_table(all_checks: Sequence[Check]) -> dict[str, list[Check]]:
    grouped: dict[str, list[Check]] = {}
    for check in all_checks:
        grouped.setdefault(check.table, []).append(check)
    return grouped


def _validate(context: Any, table: str, frame: Any, chosen: Sequence[Check]) -> list[Any]:
    """Results of one suite: every check at both severities."""
    import great_expectations as gx

    suite = gx.ExpectationSuite(name=table)
    for check in chosen:
        for severity in ("warning", "critical"):
            limit = getattr(check.limits, severity)
            suite.add_expectation(
                gx.expectations.ExpectColumnValuesToBeBetween(
                    column=check.column,
                    min_value=None if check.at_most else limit,
                    max_value=limit if check.at_most else None,
                    severity=severity,
                    meta={"check": check.name, "severity": severity},
                )
            )
    asset = context.data_sources.add_pandas(table).add_dataframe_asset(table)
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
    return list(batch.validate(suite, result_format={"result_format": "COMPLETE"}).results)


@step("validate")
def validate(job: Job, key: str) -> dict[str, str]:
    """Census and verdict; critical findings stop the flow.

    Raises
    ------
    DataError : one sentence that holds every critical finding.
    """
    with job.tracker.step(job.parent, "validate", key) as run, results_of(job.workspace, "validate", key) as folder:
        verdict = examine(job.survey, job.sites, job.params, folder)
        run.files([folder / VERDICT, folder / "census.json"])
        run.tags({"validation": _gravest(verdict)})
        run.inputs(job.hashes)
        refuse_critical(verdict)
    return refer(job.workspace, "validate", key, run.run_id)


def examine(survey: Survey, sites: Sequence[Site], params: Params, folder: Path) -> Verdict:
    """Take the census into ``folder``, judge it, and write the verdict beside it."""
    ranges = declared_ranges(survey)
    with Progress("Reading blocks", _block_count(sites)) as progress:
        census = take_census(sites, params.footprint, ranges, folder, progress.advance)
    verdict = judge(survey, sites, census, params)
    (folder / VERDICT).write_text(json.dumps(asdict(verdict), indent=1))
    return verdict


def refuse_critical(verdict: Verdict) -> None:
    """Raise one sentence that holds every critical finding, if there is one."""
    critical = [f"{found.where}: {found.sentence}" for found in verdict.findings if found.severity == "critical"]
    if critical:
        remedy = "mend the data, or the limits under `validate` in the parameters"
        raise DataError(f"the data are not fit to train on: {'; '.join(critical)}", remedy=remedy)


def _gravest(verdict: Verdict) -> str:
    severities = {finding.severity for finding in verdict.findings}
    return "critical" if "critical" in severities else "warning" if severities else "passed"


def read_verdict(folder: Path) -> Verdict:
    """The verdict that the step wrote."""
    stored = json.loads((folder / VERDICT).read_text())
    return Verdict(tuple(Finding(**entry) for entry in stored["findings"]), stored["checked"], stored["passed"])


def _block_count(sites: Sequence[Site]) -> int:
    return sum(
        -(-scene.grid.height // site.block) * -(-scene.grid.width // site.block)
        for site in sites
        for scene in site.scenes
    )
