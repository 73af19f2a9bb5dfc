"""Measure whether the simulated survey is what it promises to be, and write docs/simulation.md.

Every part is measured in a process of its own and kept in the workspace's state folder, so that the command resumes.
What was measured with other parameters of the simulator counts as missing, a very large site apart; the document is
written when nothing is missing. The pictures need OUTCROP_REAL_DATA. Sites are built in the folder for temporary files.

    python -m benchmarks.simulation [--size 256] [--only PART ...] [--large] [--render-only]
"""

import argparse
import json
import shutil
import sys
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.documents import fill, machine
from benchmarks.targets import TARGETS
from outcrop.errors import OutcropError
from outcrop.survey.simulation.parameters import parameters_digest
from tasks.workspace import find_workspace

HERE = Path(__file__).parent
PARTS = ("spectra", "speed", "honesty", "teacher", "shift", "views")
#: Base cells along one side of a site, and of one that is built only where ``--large`` asks for it: 15 GB.
SIZE, LARGE = 256, 4096
Result = dict[str, Any]


@dataclass(frozen=True)
class Store:
    """Where results are kept: those of sites of one size, and the pictures, in ``folder``."""

    folder: Path

    def load(self, part: str) -> Result | None:
        """The last result of a part; None where there is none, or one of other parameters."""
        path = self._path(part)
        if not path.is_file():
            return None
        result: Result = json.loads(path.read_text(encoding="utf-8"))
        return result if part == "large" or result["digest"] == parameters_digest() else None

    def save(self, part: str, result: Result) -> None:
        """Keep a result with the ``digest`` of its parameters."""
        self._path(part).write_text(json.dumps(result, indent=1), encoding="utf-8")

    def _path(self, part: str) -> Path:
        return (self.folder.parent if part == "large" else self.folder) / f"{part}.json"


def main() -> None:
    """Measure what is missing, print what was found, and write the document."""
    asked, workspace = _arguments(), find_workspace(HERE)
    store = Store(workspace.state / "simulation" / str(asked.size))
    store.folder.mkdir(parents=True, exist_ok=True)
    chosen = _chosen(asked, store)
    try:
        if "views" in chosen:
            _ = workspace.raw  # better refused now than after an hour
        for part in chosen:
            print(f"measuring {part} ...", file=sys.stderr, flush=True)
            digest = parameters_digest()  # of what is measured, should a parameter change meanwhile
            store.save(part, {**_apart(part, asked.size, store.folder), "digest": digest})
    except OutcropError as error:
        sys.exit(str(error))
    found = {part: store.load(part) for part in (*PARTS, "large")}
    results = {part: result for part, result in found.items() if result is not None}
    for what, value, target, met in rows(results):
        print(f"{what:<60} {value:>12}  {target:<24} {met}")
    if missing := set(PARTS) - set(results):
        sys.exit(f"the document is not written: {', '.join(sorted(missing))} missing")
    print(write(results, store.folder, asked.output or workspace.root / "docs"))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulation", description=__doc__.partition("\n")[0])
    parser.add_argument("--size", type=int, default=SIZE, help="base cells along one side of a site")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=(), help="measure these parts, again if need be")
    parser.add_argument("--large", action="store_true", help=f"also build {LARGE} x {LARGE} cells: 15 GB of disk")
    parser.add_argument("--render-only", action="store_true", help="write the document from what is kept")
    parser.add_argument("--output", type=Path, help="folder of the document and its images; default: docs")
    return parser.parse_args()


def _chosen(asked: argparse.Namespace, store: Store) -> list[str]:
    """The parts to measure."""
    if asked.render_only:
        return []
    parts = list(asked.only) or [part for part in PARTS if store.load(part) is None]
    return [*parts, "large"] if asked.large else parts


def _apart(part: str, size: int, folder: Path) -> Result:
    """Measure in a fresh process, so that no part meets another's caches, threads or memory."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(measure, part, size, folder).result()


def measure(part: str, size: int, folder: Path) -> Result:
    """Measure a part in this process; only that of its modules is imported. Pictures are put into ``folder``."""
    if part == "spectra":
        from benchmarks.spectra import measure_spectra

        return measure_spectra()
    if part == "honesty":
        from benchmarks.honesty import measure_honesty

        return measure_honesty(size)
    if part in ("teacher", "shift"):
        from benchmarks.networks import measure_shift, measure_teacher

        return measure_teacher(size) if part == "teacher" else measure_shift(size)
    if part == "views":
        from benchmarks.views import draw_views

        return {"pictures": draw_views(size, folder)}
    from benchmarks.footprints import measure_site, measure_speed

    return measure_site(LARGE) if part == "large" else measure_speed(size)


def rows(results: Mapping[str, Result]) -> list[tuple[str, str, str, str]]:
    """The targets of the parts that were measured."""
    return [target.row(results) for target in TARGETS if target.part in results]


def write(results: Mapping[str, Result], pictures: Path, output: Path) -> Path:
    """Write the document and put its pictures beside it."""
    text = fill(
        "simulation.md.j2",
        digest=parameters_digest(),
        machine=machine(),
        rows=rows(results),
        **{"large": None, **results},
    )
    (output / "images").mkdir(parents=True, exist_ok=True)
    for name in results["views"]["pictures"]:
        shutil.copyfile(pictures / name, output / "images" / name)
    document = output / "simulation.md"
    document.write_text(text, encoding="utf-8")
    return document


if __name__ == "__main__":
    main()
