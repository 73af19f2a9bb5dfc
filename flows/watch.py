"""Flow `watch`: have the data changed since the last retraining, or can it now use what it had to refuse?"""

from dataclasses import dataclass
from pathlib import Path

from flows.openings import alone
from flows.validate import run_validate
from outcrop.errors import DataError
from outcrop.record.digests import digest_value
from outcrop.record.drafts import write_whole
from outcrop.survey.surveys import load_survey
from tasks.announce import NEW_DATA, RECOVERED
from tasks.data import ensure_sites
from tasks.jobs import expectations_digest
from tasks.progress import say
from tasks.service import service_folder
from tasks.tracking import Attempt, Tracker
from tasks.workspace import Workspace


@dataclass(frozen=True)
class Sighting:
    """What was seen of a survey, in a sentence, and the event that it is; None: nothing to act upon."""

    survey: str
    event: str | None
    reason: str


def run_watch(workspace: Workspace, path: Path) -> Sighting:
    """Ingest raw files that changed, and compare all sites with those of the last retraining.

    What was seen before is seen again until a retraining has begun on it: nothing is lost if nobody acts upon it.

    Raises
    ------
    BusyError : a run on the survey is under way.
    SiteError : a site's files differ from what DVC recorded.
    """
    with alone(workspace, path, {}):
        survey, params = load_survey(path, workspace.params)
        hashes = ensure_sites(workspace, survey, params, say)
        last = Tracker.open(workspace, survey.survey).last_attempt(f"retrain {survey.survey}")
        if last is not None and last.refused:
            about = digest_value([hashes, expectations_digest(workspace, survey), survey.model_dump(mode="json")])
            return Sighting(survey.survey, *_recovered(workspace, path, about))
        return Sighting(survey.survey, *changed(last, hashes))


def changed(last: Attempt | None, hashes: dict[str, str]) -> tuple[str | None, str]:
    """Whether the sites are others than those of the last retraining."""
    if last is None:
        return None, "never retrained: nothing to compare with"
    names = sorted(site for site in {*hashes, *last.sites} if hashes.get(site) != last.sites.get(site))
    return (NEW_DATA, f"changed: {', '.join(names)}") if names else (None, "no site has changed")


def _recovered(workspace: Workspace, path: Path, about: str) -> tuple[str | None, str]:
    """Whether data that were refused pass now; what was found unfit is not judged twice. ``about`` says what is."""
    seen = service_folder(workspace) / f"unfit-{path.stem}"
    if seen.is_file() and seen.read_text() == about:
        return None, "still not fit to train on: nothing has changed"
    try:
        run_validate(workspace, path)
    except DataError as error:
        write_whole(seen, about, "note of the data")
        return None, str(error)
    return RECOVERED, "the data are fit to train on again"
