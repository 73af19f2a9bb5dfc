"""The steps that make a survey's models, each with what it depends on: for every flow that trains."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from outcrop.learning.rungs import Rung, rung_name
from outcrop.params import Params
from outcrop.record.digests import digest_value
from outcrop.settings import merge
from tasks import control, distil, guide, teacher, validate
from tasks.jobs import Job, expectations_digest
from tasks.keeping import keep_step
from tasks.learning import model_digest
from tasks.steps import Outcome, Reference, run_step, step_ingredients
from tasks.workers import ALONE, Workers


@dataclass
class Chain:
    """The steps of one job that are done, by title; ``found``: the record of the search that gave its parameters."""

    job: Job
    done: dict[str, Outcome] = field(default_factory=dict)
    found: str | None = None

    def run(self, module: Any, title: str, depends: Mapping[str, Any], **inputs: Any) -> Reference:
        """Run the step of a task module, or find it done, and record it."""
        step = getattr(module, module.__name__.rpartition(".")[2])
        ingredients = step_ingredients(self.job, module.__name__, depends, module.SECTIONS)
        self.done[title] = run_step(step, self.job, digest_value(ingredients), **inputs)
        keep_step(self.job, title, self.done[title].reference, ingredients, inputs, self.found)
        return self.done[title].reference

    def validate(self, workers: Workers = ALONE, *, labels: bool = True) -> Reference:
        """What every other step starts from."""
        survey = self.job.survey
        declared = digest_value(survey.model_dump(mode="json", include={"classes", "modalities"}))
        asked = {"declared": declared, "expectations": expectations_digest(self.job.workspace, survey)}
        told = {} if labels else {"labels": False}
        return self.run(validate, "validate", {**self.job.hashes, **asked, **told}, **told, workers=workers)

    @property
    def census(self) -> Reference:
        """The step that counted the data."""
        return self.done["validate"].reference

    @property
    def seen(self) -> dict[str, Any]:
        """What every training depends on. The census counts and sums; only the hashes say which bytes.

        What was thought of the data does not change a model.
        """
        census = validate.census_digest(self.census, self.job.workspace)
        return {"census": census, "sites": dict(self.job.hashes)}

    def teacher(self, rung: Rung) -> Reference:
        """Train the teacher."""
        depends = {**self.seen, "rung": rung.modalities}
        return self.run(teacher, "teacher", depends, validated=self.census, rung=rung.name)

    def control(self, rung: Rung) -> Reference:
        """Train a rung's control."""
        # Its model is called as the one that it is compared with: a student, or an assistant.
        last = rung.name == rung_name(self.job.params.distil.rungs[-1])
        depends = {**self.seen, "rung": rung.modalities, "last": last}
        return self.run(control, f"control {rung.name}", depends, validated=self.census, rung=rung.name)

    def guide(self, made: Reference, title: str) -> Reference:
        """Keep what a model says of the training cells."""
        depends = {**self.seen, "model": self.digest(made)}
        return self.run(guide, f"guide {title}", depends, validated=self.census, made=made)

    def distil(
        self, rung: Rung, guides: Sequence[Reference], *, title: str, effort: float = 1.0, shuffled: bool = False
    ) -> Reference:
        """Teach a rung's model."""
        how = {"effort": effort, "shuffled": shuffled}
        depends = {**self.seen, "rung": rung.modalities, "guides": [each.digest for each in guides], **how}
        return self.run(distil, title, depends, validated=self.census, rung=rung.name, guides=list(guides), **how)

    def guides(self, rungs: Sequence[Rung]) -> tuple[Reference, dict[str, Reference], list[Reference]]:
        """Train the teacher and all assistants: teacher, assistants by title, and what each of them says."""
        top, *middle, _ = rungs
        teacher = self.teacher(top)
        assistants: dict[str, Reference] = {}
        said = [self.guide(teacher, "teacher")]
        for rung in middle:
            title = f"assistant {rung.name}"
            assistants[title] = self.distil(rung, said, title=title)
            said.append(self.guide(assistants[title], title))
        return teacher, assistants, said

    def with_params(self, changes: Mapping[str, Any]) -> "Chain":
        """The same steps, done and to do, with some parameters changed."""
        params = Params.model_validate(merge(self.job.params.dump(), changes))
        return replace(self, job=replace(self.job, params=params))

    def digest(self, made: Reference) -> str:
        """Digest of a model."""
        return model_digest(made, self.job.workspace)
