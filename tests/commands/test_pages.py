"""What a person sees: the pages of a service and our reports, in a real browser.

`make services-test` runs it; the browser is the system's Chromium.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from benches import Bench, copy_bench
from mlflow import MlflowClient
from services import serving

playwright = pytest.importorskip("playwright.sync_api", reason="the browser's driver: install the extra `services`")

pytestmark = [pytest.mark.services, pytest.mark.timeout(900)]
#: Milliseconds in which a page must show what is looked for, on a machine that does much else.
PATIENCE = 120_000


class Shown(NamedTuple):
    """Where pages are: of a service, and the report of a retraining that ran in it."""

    prefect: str
    mlflow: str
    report: Path


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no browser here: install Debian's package chromium")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=found)
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """An empty page; at the end, whether anything was asked for from elsewhere."""
    opened = browser.new_page()
    opened.set_default_timeout(PATIENCE)
    asked: list[str] = []
    opened.on("request", lambda request: asked.append(request.url))
    yield opened
    opened.close()
    places = {urlsplit(url).hostname for url in asked if url.startswith(("http", "ws"))}
    assert places <= {"127.0.0.1"}


@pytest.fixture(scope="module")
def shown(trained: tuple[Bench, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    """A service of the trained survey, in which it was retrained once more."""
    bench = copy_bench(trained[0], tmp_path_factory.mktemp("pages"))
    bench.write_survey()
    with serving(bench) as running:
        yield Shown(running.told["prefect"], running.told["mlflow"], Path(bench.retrain()["report"]))


def test_prefect_shows_the_run_and_what_is_due(shown: Shown, page: Any) -> None:
    page.goto(f"{shown.prefect}/runs")
    page.get_by_text("retrain", exact=True).first.wait_for()
    page.get_by_text("Completed").first.wait_for()
    page.goto(f"{shown.prefect}/deployments")
    for name in ("monitor", "watch", "onboard", "audit"):
        page.get_by_text(name, exact=True).first.wait_for()


def test_mlflow_shows_the_runs_and_the_model(shown: Shown, page: Any) -> None:
    page.goto(f"{shown.mlflow}/#/models/tiny-student")
    page.get_by_text("Version 1").first.wait_for()
    page.get_by_text("champion").first.wait_for()
    experiment = MlflowClient(shown.mlflow).get_experiment_by_name("tiny")
    assert experiment is not None
    page.goto(f"{shown.mlflow}/#/experiments/{experiment.experiment_id}/runs")
    page.get_by_text("retrain").first.wait_for()


def test_a_report_has_its_plots(shown: Shown, page: Any) -> None:
    page.goto(shown.report.as_uri())
    page.get_by_role("heading", level=1).wait_for()
    assert "tiny" in page.title().lower()
    pictures = page.locator("img")
    assert pictures.count() > 2
    widths = pictures.evaluate_all("images => images.map(image => image.naturalWidth)")
    assert all(width > 100 for width in widths)
