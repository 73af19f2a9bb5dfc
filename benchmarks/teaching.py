"""What distillation costs beside training on labels: a step with cached outputs, and a whole chain of rungs."""

from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.material import Stopwatch, simulated
from outcrop.learning.distillation import Lesson, train_by_distillation, write_guide
from outcrop.learning.material import Material
from outcrop.learning.recipes import train_on_labels
from outcrop.survey.surveys import load_survey

ROOT = Path(__file__).parent.parent


def measure_teaching(*, size: int = 128, samples: int = 1024, repetitions: int = 5) -> dict[str, Any]:
    """Seconds of an epoch, of each model of the chain; the ratios of a step and of the chain with all its epochs."""
    once = {"teacher": 1, "assistant": 1, "student": 1}
    changes = {"train": {"samples": samples, "epochs": once, "val_samples": 500}}
    with simulated(size, changes) as material:
        return _measure(material, repetitions)


def _measure(material: Material, repetitions: int) -> dict[str, Any]:
    teacher = train_on_labels(material.top, material, "teacher")
    seconds = {material.top.name: teacher.fitted.seconds}
    guides, sweeps = [material.work / "guide-0"], []
    sweeps.append(_sweep(teacher.model, material, guides[0]))
    control: list[float] = []
    taught: list[float] = []
    for repetition in range(repetitions):  # each in turn: the machine may be slower for a while
        control.append(train_on_labels(material.last, material, f"control-{repetition}").fitted.seconds)
        lesson = Lesson(material.last)
        taught.append(train_by_distillation(guides, lesson, material, f"direct-{repetition}").fitted.seconds)
    for place, rung in enumerate(material.chain[1:], start=1):
        trained = train_by_distillation(guides, Lesson(rung), material, f"chain-{place}")
        seconds[rung.name] = trained.fitted.seconds
        if rung != material.last:
            guides.append(material.work / f"guide-{place}")
            sweeps.append(_sweep(trained.model, material, guides[-1]))
    epochs = load_survey(ROOT / "data" / "surveys" / "simulated.yaml", ROOT / "params.yaml", {})[1].train.epochs
    whole = sum(seconds[rung.name] * epochs.of(material.role(rung)) for rung in material.chain)
    pair = seconds[material.top.name] * epochs.teacher + median(control) * epochs.student
    return {
        "repetitions": repetitions,
        "control_seconds": median(control),
        "taught_seconds": median(taught),
        "step_ratio": median(taught) / median(control),
        "seconds": seconds,
        "sweep_seconds": sweeps,
        "chain_ratio": (whole + sum(sweeps)) / pair,
    }


def _sweep(model: Any, material: Material, folder: Path) -> float:
    with Stopwatch() as watch:
        write_guide(model, material, folder)
    return watch.seconds
