"""MLflow: what came out. The only package that imports it."""

from tasks.tracking.registry import CHAMPION, Origin, Registry, Version
from tasks.tracking.runs import RECORD, SITE, Attempt, StepRun, Tracker, flat, is_passing

__all__ = [
    "CHAMPION",
    "RECORD",
    "SITE",
    "Attempt",
    "Origin",
    "Registry",
    "StepRun",
    "Tracker",
    "Version",
    "flat",
    "is_passing",
]
