"""Measure what the record promises, and write docs/audit.md.

Every part is kept in the workspace's state folder, so that the command resumes; the document is written when nothing is
missing. The audit itself is timed on a full chain, which is trained in a clone of the workspace at its last commit.

    python -m benchmarks.audit [--only PART ...] [--challengers 1000] [--render-only]  # all parts: make audit
"""

import argparse
import json
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from xml.etree import ElementTree

from benchmarks.chains import SHORT, SITE, Clone, make_chain
from benchmarks.documents import fill, machine
from tasks.records import archive_of
from tasks.workspace import Workspace, find_workspace

HERE = Path(__file__).parent
#: Blocks of the test in the simulation of the gate, and macro-F1 by which a challenger is better.
BLOCKS, POINTS = (20, 45, 60), 0.03
TAMPERING = ("tests/commands/test_audit.py", "test_tampering_is_found_and_named")
SECURITY = ("tests/test_security.py", "test_what_could_run_code_or_leave_its_folder_is_refused")
Result = dict[str, Any]


def measure_gate(workspace: Workspace, challengers: int) -> Result:
    """Verdicts on challengers that are as good as the champion, and on some that are better."""
    from benchmarks.gates import Design, gain_of, shares

    gain = gain_of(POINTS)
    rows = []
    for blocks in BLOCKS:
        for better in (False, True):
            found = shares(Design(blocks, gain if better else 0.0), challengers)
            rows.append({"blocks": blocks, "better": better, **found})
            print(rows[-1], file=sys.stderr, flush=True)
    return {"challengers": challengers, "rows": rows}


def measure_ledger(workspace: Workspace, challengers: int) -> Result:
    """Eight writers of two hundred records each that are killed at random."""
    from benchmarks.ledgers import Writers, run

    plan = Writers(writers=8, records=200, every=0.1)
    with TemporaryDirectory() as folder:
        started = time.perf_counter()
        left = run(plan, Path(folder))
        return {**asdict(plan), **asdict(left), "seconds": time.perf_counter() - started}


def measure_chain(workspace: Workspace, challengers: int) -> Result:
    """Audits of the student of a full chain and of the one that was adapted from it, and the latter's replay."""
    folder = workspace.state / "benchmarks" / "audit" / "chain"
    clone = make_chain(workspace, folder)
    archive = archive_of(Workspace(folder))
    made = {record.made.step: entry.record for entry, record in archive.of_kind("model") if record.made}
    asked = {"student": ("student@champion",), "adapted": (made["adapt"],), "replay": (made["adapt"], "--replay")}
    return {
        **{name: _audit(clone, *words) for name, words in asked.items()},
        "records": len(archive.ledger.entries()),
        "models": len(list(archive.of_kind("model"))),
        "changes": SHORT,
        "site": SITE,
    }


def _audit(clone: Clone, *words: str) -> Result:
    """What an audit in a process of its own found, and what it took."""
    started, used = time.perf_counter(), _used()
    done = clone.run("audit", *words)
    if done.returncode not in (0, 1, 3):
        raise RuntimeError(f"`outcrop audit {' '.join(words)}` gave {done.returncode}")
    result = json.loads(done.stdout)
    return {
        "seconds": time.perf_counter() - started,
        "cpu_seconds": _used() - used,
        "verdict": result["verdict"],
        "checks": len(result["checks"]),
        "unmet": [each for each in result["checks"] if each["status"] != "ok"],
        "findings": [each for each in result["checks"] if each["part"] in ("metrics", "replay")],
    }


def _used() -> float:
    """Processor time of the processes that this one has run: what a busy machine does not change."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def _from_tests(path: str, test: str) -> Result:
    """Names and outcomes of the cases of a table-driven test."""
    with TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        asked = [path, "-k", test, "--timeout=1800", f"--junitxml={report}"]  # however busy the machine is
        subprocess.run([sys.executable, "-m", "pytest", *asked], check=False, stdout=sys.stderr)
        cases = []
        for case in ElementTree.parse(report).iter("testcase"):
            name = re.sub(r"^.*?\[(.*)\]$", r"\1", case.attrib["name"])
            failed = any(child.tag in ("failure", "error", "skipped") for child in case)
            cases.append({"name": name, "passed": not failed})
    return {"cases": cases}


def measure_tampering(workspace: Workspace, challengers: int) -> Result:
    """Every kind of tampering or loss, and whether it was found and named."""
    return _from_tests(*TAMPERING)


def measure_security(workspace: Workspace, challengers: int) -> Result:
    """Every hostile file, and whether it was refused."""
    return _from_tests(*SECURITY)


PARTS: dict[str, Callable[[Workspace, int], Result]] = {
    "tampering": measure_tampering,
    "security": measure_security,
    "ledger": measure_ledger,
    "chain": measure_chain,
    "gate": measure_gate,
}


def main() -> None:
    """Measure what is missing and write the document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=())
    parser.add_argument("--challengers", type=int, default=1000)
    parser.add_argument("--render-only", action="store_true")
    asked = parser.parse_args()
    workspace = find_workspace(Path())
    folder = workspace.state / "benchmarks" / "audit"
    folder.mkdir(parents=True, exist_ok=True)
    there = {part for part in PARTS if (folder / f"{part}.json").is_file()}
    chosen = () if asked.render_only else asked.only or [part for part in PARTS if part not in there]
    for part in chosen:
        result = PARTS[part](workspace, asked.challengers)
        (folder / f"{part}.json").write_text(json.dumps(result, indent=1), encoding="utf-8")
    results = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")}
    if missing := set(PARTS) - set(results):
        print(f"not written: {', '.join(sorted(missing))} was not measured")
        return
    document = workspace.root / "docs" / "audit.md"
    document.write_text(fill("audit.md.j2", machine=machine(), **results), encoding="utf-8")
    print(document)


if __name__ == "__main__":
    main()
