"""Every benchmark runs in its smallest form and gives figures of the stated shape; how fast is no test's business."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="module", autouse=True)
def project_on_path() -> Iterator[None]:
    """The benchmarks are not installed with the packages."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(PROJECT))
        yield


@cache
def measured(name: str) -> tuple[Any, dict[str, Any]]:
    """A benchmark and what its smoke form found, run once."""
    from benchmarks.performance import BENCHMARKS

    benchmark = next(entry for entry in BENCHMARKS if entry.name == name)
    return benchmark, benchmark.run(smoke=True)


@pytest.mark.parametrize("name", ["loop", "delivery", "memory", "cubes", "dense", "utilisation"])
def test_figures_have_their_targets(name: str) -> None:
    benchmark, result = measured(name)
    for target in benchmark.targets:
        what, value, limit, met = target.row(result)
        assert what and value and limit and met in ("yes", "NO")


def test_the_loop_is_compared_over_the_same_steps() -> None:
    _, result = measured("loop")
    assert set(result) == {"teacher", "student"}
    for role in result.values():
        assert role["steps"] == 2 and role["repetitions"] == 2
        assert role["ratio"] == role["fit_seconds"] / role["bare_seconds"] > 0


def test_delivery_is_measured_for_what_each_model_sees() -> None:
    _, result = measured("delivery")
    assert result["student"]["modalities"] == ["rgb"] and len(result["teacher"]["modalities"]) == 6
    assert all(role["delivered"] > 0 and role["consumed"] > 0 for role in result.values())


def test_memory_is_that_of_a_process_on_a_site_of_the_stated_size() -> None:
    _, result = measured("memory")
    for task in ("census", "train"):
        small, large = result[task]["small"], result[task]["large"]
        assert large["data_mb"] == pytest.approx(small["data_mb"] * (160 / 96) ** 2, rel=0.05)
        assert large["blocks"] > small["blocks"] and small["peak_mb"] >= small["start_mb"] > 10
    assert result["train"]["large"]["fillings"] >= 1


def test_dense_maps_equal_the_patches_they_are_compared_with() -> None:
    _, result = measured("dense")
    for footprint, found in ((5, result["footprint5"]), (9, result["footprint9"])):
        assert found["difference"] <= 1e-5 and found["ratio"] == pytest.approx(found["dense"] / found["patches"])
        assert found["share"] == pytest.approx(found["ratio"] / footprint**2)


def test_multiply_adds_are_those_of_the_layers() -> None:
    _, result = measured("utilisation")
    first, second, linear = 16 * 27 * 32, 4 * 9 * 32 * 64, 64 * 256 + 256 * 12  # pixels, taps, channels; two layers
    assert result["footprint5"]["per_cell"] == pytest.approx(first + second + linear, rel=1e-3)
    assert result["footprint5"]["halo"] > 0 and result["footprint5"]["share"] > 0
