"""The architecture, from the import graph: imports go one way, and each framework has one door."""

import subprocess
import sys

import grimp
import pytest


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("outcrop", "tasks", "flows", include_external_packages=True, cache_dir=None)


def importers(graph: grimp.ImportGraph, imported: str) -> set[str]:
    """Modules that import a package or a module below it, written out in their own source."""
    below = {name for name in graph.modules if name == imported or name.startswith(imported + ".")}
    return {each for name in below for each in graph.find_modules_that_directly_import(name)} - below


FORBIDDEN = [
    ("outcrop", "tasks"),
    ("outcrop", "flows"),
    ("tasks", "flows"),
    ("outcrop.survey", "outcrop.learning"),
    ("outcrop.survey", "outcrop.field"),
    ("outcrop.survey", "outcrop.record"),
    ("outcrop.learning", "outcrop.field"),
    ("outcrop.learning", "outcrop.record"),
    ("outcrop.field", "outcrop.record"),
    ("outcrop.survey", "torch"),
]
#: Augmentation works on batches of tensors.
ALLOWED = {("outcrop.survey.augment", "torch")}


@pytest.mark.parametrize(("importer", "imported"), FORBIDDEN)
def test_imports_go_one_way(importer: str, imported: str, graph: grimp.ImportGraph) -> None:
    found = {name for name in importers(graph, imported) if name == importer or name.startswith(importer + ".")}
    assert found - {name for name, package in ALLOWED if package == imported} == set()


def test_the_record_imports_errors_alone(graph: grimp.ImportGraph) -> None:
    below = graph.find_descendants("outcrop.record")
    imported = {name for module in below for name in graph.find_modules_directly_imported_by(module)}
    inside = {name for name in imported if name.split(".")[0] in ("outcrop", "tasks", "flows")}
    assert inside - below - {"outcrop", "outcrop.record"} <= {"outcrop.errors"}


DOORS = {
    "dvc": {"tasks.data"},
    "mlflow": {"tasks.tracking.registry", "tasks.tracking.runs"},
    "great_expectations": {"tasks.validate"},
}


@pytest.mark.parametrize("framework", DOORS)
def test_each_framework_has_one_door(framework: str, graph: grimp.ImportGraph) -> None:
    assert importers(graph, framework) <= DOORS[framework]


def test_prefect_stays_out_of_the_science(graph: grimp.ImportGraph) -> None:
    assert {name.split(".")[0] for name in importers(graph, "prefect")} == {"tasks", "flows"}


def test_no_module_of_the_science_imports_itself_in_a_circle(graph: grimp.ImportGraph) -> None:
    for name in (name for name in graph.modules if name.startswith("outcrop.")):
        assert name not in graph.find_upstream_modules(name)


#: What a step may use of the record: digests decide its key, a page is its result.
OF_A_STEP = {"digests", "provenance", "drafts", "pages", "formats", "report", "comparison", "verdicts", "templates"}


def test_no_step_depends_on_what_records_it(graph: grimp.ImportGraph) -> None:
    """Else every change to an audit would train all models again."""
    for step in ("validate", "teacher", "control", "guide", "distil", "choose", "forest", "evaluate", "report"):
        used = {name for name in graph.find_upstream_modules(f"tasks.{step}") if name.startswith("outcrop.record.")}
        assert {name.removeprefix("outcrop.record.") for name in used} <= OF_A_STEP


LIGHT = {
    "outcrop": ("torch", "prefect", "mlflow", "dvc", "great_expectations", "numpy"),
    "outcrop.record.digests": ("torch", "prefect", "mlflow", "dvc", "great_expectations"),
    "tasks.records": ("torch", "prefect", "mlflow", "dvc", "great_expectations"),
    "outcrop.survey.census": ("torch", "prefect", "mlflow", "dvc", "great_expectations"),
}


@pytest.mark.parametrize("module", LIGHT)
def test_importing_brings_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(LIGHT[module]) & set(done.stdout.split())
