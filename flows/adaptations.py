"""The steps that adapt a student to a new site: for onboarding it, and for every retraining after that."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from flows.chain import Chain
from flows.openings import Opened
from outcrop.errors import OutcropError
from outcrop.learning.adaptation.supports import check_model
from outcrop.learning.models import load_model
from outcrop.params import Params, Sites
from outcrop.record.digests import digest_file
from outcrop.survey.roles import with_roles
from outcrop.survey.sites import Site, read_site
from tasks import adapt, appraise, decide, register
from tasks import onboard as telling
from tasks.adapt import Newcomer
from tasks.decide import read_decision
from tasks.jobs import Job
from tasks.learning import MODEL, model_digest, read_model_uri
from tasks.progress import say
from tasks.records import record_of
from tasks.steps import Reference

#: The task modules whose code decides what adapting gives.
STEPS = ("validate", "adapt", "appraise", "decide", "onboard")


@dataclass(frozen=True)
class Climbed:
    """The steps of one site: what they made, and the URI of what was registered, if anything was."""

    chain: Chain
    adapted: Reference
    appraised: Reference
    decided: Reference
    told: Reference
    model: str | None

    @property
    def made(self) -> tuple[Reference, Reference, Reference]:
        """What the decision was made from, and the decision."""
        return self.adapted, self.appraised, self.decided


def climb(job: Job, newcomer: Newcomer, known: Reference, sources: Mapping[str, Any]) -> Climbed:
    """Validate, adapt, appraise, decide, register, report.

    Parameters
    ----------
    job : about the new site alone, see `job_of`
    known, sources : census of the sources, and what a training on them depends on
    """
    chain = Chain(job)
    seen = {"validated": chain.validate(labels=False), "known": known}
    depends = {**chain.seen, "sources": dict(sources), **about(newcomer)}
    adapted = chain.run(adapt, "adapt", depends, newcomer=newcomer, **seen)
    depends |= {"adapt": adapted.digest}
    appraised = chain.run(appraise, "appraise", depends, newcomer=newcomer, adapted=adapted, **seen)
    depends |= {"appraise": appraised.digest}
    decided = chain.run(decide, "decide", depends, newcomer=newcomer, adapted=adapted, appraised=appraised)
    model = register.register_adapted(job, newcomer.site, adapted, decided)
    depends |= {"decide": decided.digest, "flow": job.flow_key, "model": model or ""}
    made = {"adapted": adapted, "appraised": appraised, "decided": decided}
    told = chain.run(telling, "report", depends, newcomer=newcomer, model=model, **made)
    return Climbed(chain, adapted, appraised, decided, told, model)


def about(newcomer: Newcomer) -> dict[str, str]:
    """Digests of what adapting depends on beside sites and parameters."""
    return {
        "labels": digest_file(newcomer.labels),
        "student": newcomer.student_digest,
        "teacher": newcomer.teacher_digest or "none",
        "new_classes": str(newcomer.allow_new_classes),
    }


def alone_with(params: Params, site: Site) -> tuple[Params, Site]:
    """Parameters and site of a job that is about one new site: all its blocks serve."""
    changed = params.model_copy(update={"sites": Sites(train=(site.name,), test=(site.name,))})
    (here,) = with_roles([site], changed.sites)
    return changed, here


def trained_sites(job: Job) -> tuple[Site, ...]:
    """The sites of a job that are trained on."""
    return tuple(site for site in job.sites if "train" in site.scenes[0].serves)


def adapt_everywhere(chain: Chain, opened: Opened, teacher: Reference, student: Reference) -> dict[str, str]:
    """Adapt a new student to every site that was onboarded before: what was decided, by site.

    A site to which it cannot be adapted any more is told, and does not stop the retraining.
    """
    job, outcomes = chain.job, {}
    for labels in sorted((job.workspace.onboarded / job.survey.survey).glob("*.csv")):
        if labels.stem not in job.survey.sites or labels.stem in {site.name for site in trained_sites(job)}:
            continue
        try:
            outcomes[labels.stem] = _again(chain, opened, teacher, student, labels.stem)
        except OutcropError as error:
            outcomes[labels.stem] = f"not adapted: {error}"
        say(f"{labels.stem}: {outcomes[labels.stem]}")
    return outcomes


def _again(chain: Chain, opened: Opened, teacher: Reference, student: Reference, name: str) -> str:
    workspace = chain.job.workspace
    params, here = alone_with(chain.job.params, read_site(workspace.sites / name))
    folders = [made.path(workspace) / MODEL for made in (student, teacher)]
    check_model(load_model(folders[0]), here)
    newcomer = Newcomer(
        site=name,
        labels=workspace.onboarded / chain.job.survey.survey / f"{name}.csv",
        allow_new_classes=True,
        model=read_model_uri(student, workspace),
        student=folders[0],
        student_digest=model_digest(student, workspace),
        teacher=folders[1],
        teacher_digest=model_digest(teacher, workspace),
        records={
            role: record_of(workspace, made.run_id) for role, made in (("student", student), ("teacher", teacher))
        },
        sources=trained_sites(chain.job),
    )
    job = replace(chain.job, params=params, sites=(here,), hashes={name: opened.hashes[name]})
    climbed = climb(job, newcomer, chain.census, chain.seen)
    decision = read_decision(climbed.decided, job)
    return f"{decision['outcome']}: {decision['reason']}"
