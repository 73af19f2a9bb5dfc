"""Real data: a crop of the Valles Marineris landslides, as in the survey that we ship."""

import os
from pathlib import Path

import numpy as np
import pytest
import rasterio
from conftest import PROJECT
from rasterio.windows import Window

from outcrop.survey.ingest import ingest_site
from outcrop.survey.rasters import read_labels, read_split, read_window
from outcrop.survey.surveys import DATA_VARIABLE, load_survey

RAW = Path(os.environ.get(DATA_VARIABLE, PROJECT.parent / "shared" / "data"))
CROP = Window(1024, 640, 900, 700)


@pytest.mark.skipif(not (RAW / "mars").is_dir(), reason=f"no real data: set {DATA_VARIABLE}")
def test_a_crop_of_western_valles_marineris(tmp_path: Path) -> None:
    survey, params = load_survey(PROJECT / "data/surveys/mars.yaml", PROJECT / "params.yaml")
    scene = survey.sites["west"].scenes["mosaic"]
    for name in scene.paths():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        with rasterio.open(RAW / name) as whole:
            profile = whole.profile | {"height": 700, "width": 900, "transform": whole.window_transform(CROP)}
            with rasterio.open(tmp_path / name, "w", **profile) as crop:
                crop.write(whole.read(window=CROP))
    site = ingest_site(survey, "west", params, tmp_path, tmp_path / "sites")
    ours = site.scenes[0]
    with rasterio.open(tmp_path / "mars/west/landslide.tif") as dataset:
        raw_labels = dataset.read(1)
    np.testing.assert_array_equal(read_labels(ours, 0, 0, 700, 900), raw_labels)
    with rasterio.open(tmp_path / "mars/west/elevation.tif") as dataset:
        np.testing.assert_array_equal(read_window(ours.rasters["elevation"], 0, 0, 700, 900), dataset.read())
    assert (ours.grid.crs, ours.grid.transform.c, ours.grid.transform.f) == (None, 1024, -896 - 640)
    rgb = read_window(ours.rasters["rgb"], 0, 0, 700, 900)
    split = read_split(ours, 0, 0, 700, 900)
    assert not split[np.isnan(rgb[0])].any()
    for code in (1, 2):
        assert set(np.unique(raw_labels[split == code])) >= {0, 1}
    assert not (split == 3).any()
