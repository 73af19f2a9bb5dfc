"""How long the ingest of a survey of many small scenes takes: the 85 plots of the survey `neon`.

OUTCROP_REAL_DATA=... python -m benchmarks.performance --only scenes
"""

import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.variants import PROJECT


def measure_scenes(*, sites: int | None = None) -> dict[str, Any]:
    """Seconds, scenes and rasters of the first ``sites`` sites, from raw files to checked sites, without DVC.

    Raises
    ------
    SurveyError : the raw files are not there.
    """
    from outcrop.survey.ingest import ingest_site
    from outcrop.survey.surveys import load_survey
    from tasks.workspace import find_workspace

    raw = find_workspace(PROJECT).raw
    survey, params = load_survey(PROJECT / "data/surveys/neon.yaml", PROJECT / "params.yaml")
    with tempfile.TemporaryDirectory(prefix="outcrop-bench-") as folder:
        start = time.perf_counter()
        made = [ingest_site(survey, site, params, raw, Path(folder)) for site in list(survey.sites)[:sites]]
        seconds = time.perf_counter() - start
    scenes = [scene for site in made for scene in site.scenes]
    return {"seconds": seconds, "scenes": len(scenes), "rasters": sum(len(scene.rasters) for scene in scenes)}
