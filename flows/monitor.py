"""Flow `monitor`: validate -> map -> carbon -> change -> drift -> record -> report, for the newest scene of a site."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from prefect import flow

from flows.adaptations import alone_with
from flows.chain import Chain
from flows.openings import held
from outcrop.errors import SurveyError
from outcrop.field.carbon.uptake import Given
from outcrop.field.exported import Export, read_export
from outcrop.field.series import before
from outcrop.params import Params
from outcrop.record.digests import digest_file, digest_value
from outcrop.survey.sites import Scene, Site, read_site
from outcrop.survey.surveys import Survey, load_survey
from tasks import bulletin
from tasks import monitor as parts
from tasks.data import ensure_sites
from tasks.dates import Kept, keep_date, kept_dates
from tasks.jobs import Job, open_job
from tasks.keeping import keep_site
from tasks.notices import emit_notices, notices_of
from tasks.progress import say
from tasks.records import record_of
from tasks.site_estimates import check_export, given_of, params_of
from tasks.workspace import Workspace

#: The task modules whose code decides what monitoring gives.
STEPS = ("validate", "map", "carbon", "monitor")


@dataclass(frozen=True)
class Asked:
    """What the command was asked for; ``scene`` None: the newest."""

    site: str
    model: str
    scene: str | None = None


@dataclass(frozen=True)
class Dated:
    """A scene to be monitored: what is known of its site, and the dates that were recorded before it."""

    survey: Survey
    params: Params
    given: Given
    site: Site
    scene: Scene
    past: tuple[Kept, ...]
    hashes: dict[str, str]


def run_monitor(workspace: Workspace, survey: Path, overrides: Mapping[str, Any], asked: Asked) -> dict[str, Any]:
    """Monitor a site, one run of it at a time.

    Raises
    ------
    ParamsError, SurveyError, DataError : the parameters, the site or the order of the dates.
    WorkspaceError : another run on the site is under way.
    """
    loaded, params = load_survey(survey, workspace.params, overrides)
    if asked.site not in loaded.sites:
        raise SurveyError(
            f"the survey has no site {asked.site}", where=survey, remedy=f"name one of {', '.join(loaded.sites)}"
        )
    here = params_of(loaded, params, asked.site, overrides)
    given_of(here.monitor, [entry.name for entry in loaded.classes])
    lock = workspace.state / f"monitor-{loaded.survey}-{asked.site}.lock"
    with held(lock, "another run on this site is under way", asked.site):
        return monitor(workspace.root, survey, overrides, asked)


@flow(name="monitor", validate_parameters=False)
def monitor(root: Path, survey_file: Path, overrides: Mapping[str, Any], asked: Asked) -> dict[str, Any]:
    """Look at a site's newest scene; a date that was recorded is not recorded again."""
    workspace = Workspace(root)
    dated = _open(workspace, survey_file, overrides, asked)
    name = dated.survey.survey
    folder = parts.ensure_export(workspace, asked.model, name)
    export = read_export(folder)
    check_export(export, name, folder)
    params, site = alone_with(dated.params, replace(dated.site, scenes=(dated.scene,)))
    about = {"scene": files_digest(dated.scene), "model": export.source.digest}
    title, data = f"monitor {site.name} {dated.scene.id}", {site.name: dated.hashes[site.name]}
    with open_job(workspace, dated.survey, params, (site,), data, flow=title, steps=STEPS, about=about) as job:
        subject = digest_value(
            {**about, "site": site.name, "params": job.params.dump()["monitor"], "seed": params.seed}
        )
        known = next((each for each in dated.past if each.subject == subject), None)
        chain = Chain(job)
        keep_site(job, dated.site)
        chain.validate(labels=False)
        now = parts.chart(workspace, name, site.name, dated.scene, folder, about["scene"])
        past = [each for each in dated.past if each.facts["scene"] != dated.scene.id]
        last = _last(dated.site, past)
        then = parts.chart(workspace, name, site.name, last, folder, files_digest(last)) if last else None
        if known is None:
            known = _look(job, dated, chain, now, then, past, export, subject)
        else:
            say(f"scene {dated.scene.id} was recorded before: record {known.record[:12]}")
        told = bulletin.tell(job, dated.site, [*past, known], now, then)
    return {**told, "events": list(notices_of(known.facts)), "cached": [n for n, o in chain.done.items() if o.cached]}


def _open(workspace: Workspace, survey_file: Path, overrides: Mapping[str, Any], asked: Asked) -> Dated:
    survey, params = load_survey(survey_file, workspace.params, overrides)
    hashes = ensure_sites(workspace, survey, params, say, only=[asked.site])
    site = read_site(workspace.sites / asked.site)
    scene = choose_scene(site, asked.scene)
    past = kept_dates(workspace, survey.survey, site.name)
    before([each.moment for each in past], scene.id, parts.acquired(scene), site.name)
    params = params_of(survey, params, asked.site, overrides)
    given = given_of(params.monitor, [entry.name for entry in survey.classes])
    return Dated(survey, params, given, site, scene, tuple(past), hashes)


def choose_scene(site: Site, name: str | None) -> Scene:
    """The scene of a name, or the newest.

    Raises
    ------
    SurveyError : the site has no such scene.
    """
    if name is None:
        return parts.newest(site)
    known = {scene.id: scene for scene in site.scenes}
    if name not in known:
        raise SurveyError(
            f"site {site.name} has no scene {name}", where=site.path, remedy=f"name one of {', '.join(known)}"
        )
    return known[name]


def files_digest(scene: Scene) -> str:
    """Digest of what a scene shows: another label or split on it makes no new date."""
    return digest_value({name: digest_file(raster.path) for name, raster in sorted(scene.rasters.items())})


def _last(site: Site, past: Sequence[Kept]) -> Scene | None:
    """The scene of the last date with a record, if the site still has it."""
    known = {scene.id: scene for scene in site.scenes}
    return known.get(past[-1].facts["scene"]) if past else None


def _look(
    job: Job,
    dated: Dated,
    chain: Chain,
    now: parts.Charted,
    then: parts.Charted | None,
    past: Sequence[Kept],
    export: Export,
    subject: str,
) -> Kept:
    """Estimate, compare, examine, tell and record."""
    workspace, params, seed = job.workspace, dated.params.monitor, dated.params.seed
    work = workspace.state / "work" / job.parent
    work.mkdir(parents=True, exist_ok=True)
    estimated = parts.estimate(workspace, now, params, dated.given, work / f"carbon-{dated.scene.id}.json")
    names = [entry.name for entry in export.profile.classes]
    learnt = parts.learnt_scenes(workspace, export)
    accepted = parts.accepted_scenes(dated.site, dated.scene, past, learnt)
    found = {
        "change": parts.change(now, then, names, params, dated.site.block, seed, len(past)),
        "drift": parts.examine(dated.site, dated.scene, accepted, now, export, params, seed),
        "labels": parts.age_of_labels(dated.scene, learnt, params.label_days),
    }
    facts = parts.facts_of(dated.site, dated.scene, estimated, found, export)
    emit_notices(dated.survey.survey, facts, subject)
    inputs = {"validated": record_of(workspace, chain.census.run_id)}
    inputs |= {"map": now.record} if now.record else {}
    inputs |= {"carbon": estimated["record"]} if estimated["record"] else {}
    inputs |= {"before": past[-1].record} if past else {}
    inputs |= {"map before": then.record} if then and then.record else {}
    record = keep_date(
        workspace, dated.survey.survey, subject, facts, inputs, {"carbon.json": Path(estimated["estimate"])}
    )
    return Kept(record, subject, facts)
