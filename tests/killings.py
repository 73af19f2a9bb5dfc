"""Ingests that are killed in the middle of writing, each in a process of its own; run by `test_kill`.

The process that this is forks one for every killing: nothing is imported twice. A killing is told by the how-manieth
time Python touches the folder of the sites (it makes, opens for writing, renames or removes something there, told by
its audit events) and by the bytes to which a file may grow from then on: at none the process kills itself there and
then, else the system kills it in the middle of a write, whoever it is that writes, GDAL or Python.
"""

import json
import os
import random
import resource
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from conftest import TinySurvey, make_tiny_survey, write_geotiff

from outcrop.record.digests import digest_folder
from outcrop.survey.sites import read_site

TOUCHES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "open"}


class Killing(NamedTuple):
    """Where an ingest is killed: at which touch, and at which size of a file from then on."""

    touch: int
    size: int


class Watch:
    """Counts the touches of a folder, and kills its process at the one that `killing` tells."""

    def __init__(self, folder: Path, killing: Killing | None) -> None:
        self.folder, self.killing, self.touches = str(folder), killing, []

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event not in TOUCHES or not isinstance(arguments[0], str | os.PathLike):
            return
        if event == "open" and not set(str(arguments[1])) & set("wax+"):
            return
        removed_in = arguments[-1] if event in ("os.remove", "os.rmdir") else -1  # a folder, by its number
        if removed_in == -1 and not os.fspath(arguments[0]).startswith(self.folder):
            return
        self.touches.append(f"{event} {Path(arguments[0]).name}")
        if self.killing and len(self.touches) == self.killing.touch:
            if not self.killing.size:
                os.kill(os.getpid(), signal.SIGKILL)
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.killing.size,) * 2)


def forked(work: Callable[[], object]) -> int:
    """Do work in a process of its own; the signal that ended it, 0 for none."""
    child = os.fork()
    if not child:
        code = 1
        try:
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
            raise
        finally:
            os._exit(code)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the ingest failed of itself"
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def watched(survey: TinySurvey, killing: Killing | None = None, told: Path | None = None) -> int:
    """Ingest in a process of its own; write the names of all touches to ``told``."""

    def work() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        watch = Watch(survey.destination, killing)
        sys.addaudithook(watch)
        survey.ingest()
        if told is not None:
            told.write_text(json.dumps(watch.touches))

    return forked(work)


def prepare(folder: Path) -> TinySurvey:
    """The tiny survey with one modality."""
    survey = make_tiny_survey(folder)
    survey.entries["modalities"] = {"elevation": survey.entries["modalities"]["elevation"]}
    survey.entries["sites"]["north"]["scenes"]["first"]["rasters"] = {"elevation": "first/elevation.tif"}
    survey.entries["params"] |= {"distil": {"rungs": ["all", ["elevation"]]}}
    return survey


def content(folder: Path) -> str:
    """The digest of a site, which must be whole; nothing where there is none."""
    if not folder.exists():
        return "nothing"
    read_site(folder)
    return digest_folder(folder)


def choose(touches: list[str], count: int, rng: random.Random) -> list[Killing]:
    """Killings all over an ingest, every second at a rename or while a manifest is written."""
    named = [place for place, touch in enumerate(touches, 1) if touch.startswith("os.rename") or touch.endswith("json")]
    written = max(place for place, touch in enumerate(touches, 1) if touch.startswith("open"))
    places = [rng.choice(named if each % 2 else range(1, len(touches) + 1)) for each in range(count)]
    return [Killing(place, rng.choice([0, rng.randrange(1, 2000)]) if place <= written else 0) for place in places]


def kill_all(survey: TinySurvey, earlier: Path | None, count: int, rng: random.Random) -> Iterator[dict[str, Any]]:
    """Kill ingests; ``earlier`` is the site that each replaces. Tells what each left, and what the next one made."""
    site, told = survey.destination / "north", survey.raw / "touches.json"

    def start() -> None:
        shutil.rmtree(survey.destination, ignore_errors=True)
        if earlier is not None:
            shutil.copytree(earlier, site)

    start()
    watched(survey, told=told)
    old, new, touches = content(earlier) if earlier else "nothing", content(site), json.loads(told.read_text())
    names = {old: "old", new: "new", "nothing": "nothing"}
    for killing in choose(touches, count, rng):
        start()
        ended = watched(survey, killing)
        left, retired = content(site), survey.destination / ".north.retired"
        kept = content(retired) if left == "nothing" and earlier else left
        again = watched(survey, Killing(rng.randrange(1, 9), 0)) if rng.random() < 0.3 else 0
        watched(survey)
        yield {
            "touch": touches[killing.touch - 1],
            "size": killing.size,
            "ended": signal.Signals(ended).name if ended else "",
            "again": signal.Signals(again).name if again else "",
            "left": names.get(left, left),
            "kept": names.get(kept, kept),
            "next": names.get(content(site), "another"),
            "there": sorted(path.name for path in survey.destination.iterdir()),
        }


def main(folder: Path, seed: int, count: int) -> None:
    """Print what became of the ingests of a new site, and of those that replace one."""
    survey, rng = prepare(folder), random.Random(seed)
    earlier = survey.ingest().path.rename(folder / "earlier")
    write_geotiff(survey.raw / "first" / "elevation.tif", survey.elevation[:, ::-1])
    told = {"new": list(kill_all(survey, None, count // 2, rng))}
    told["replacing"] = list(kill_all(survey, earlier, count - count // 2, rng))
    print(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
