"""The commands that take a model to the field: export it, map scenes with it, measure what it costs."""

import os
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.options import (
    HERE,
    MODEL,
    Cluster,
    Json,
    RunnerChoice,
    Where,
    WorkerCount,
    open_workspace,
    show,
    show_json,
)
from tasks.workers import Runner, choose_workers

Folder = Annotated[Path, typer.Option("-o", "--output", help="Folder to write; one that is there is replaced.")]


Sites = Annotated[
    list[str] | None,
    typer.Option("--site", help="Calibrate and check on this site instead of the training sites; repeatable."),
]


class Precision(StrEnum):
    """Precisions of an export's graphs."""

    fp32 = "fp32"
    int8 = "int8"


def export(
    model: Annotated[str, typer.Argument(help=f"Model: {MODEL}, or a folder.")],
    output: Folder,
    sites: Sites = None,
    as_json: Json = False,
    where: Where = HERE,
) -> None:
    """Make of a student what travels: ONNX graphs that need neither torch nor a workspace.

    **Examples**

        outcrop export simulated-student -o exports/student

        outcrop export simulated-student@champion -o exports/oman --site oman
    """
    workspace = open_workspace(where)
    from tasks.export import export as make_export

    made = make_export(workspace, model, output.resolve(), sites or ())
    if as_json:
        show_json(made)
        return
    score = made["calibration"]["torch_macro_f1"]
    if score is not None:
        print(f"network: macro-F1 {score:.4f} on validation cells")
    for precision, graph in made["graphs"].items():
        size, score, off = graph["bytes"] / 1024, graph["macro_f1"], graph["difference"]
        scored = "" if score is None else f"macro-F1 {score:.4f}, "
        print(f"{precision}: {scored}{size:.0f} kB, probabilities differ by {off:.1e} at most")
    for precision, why in made["refused"].items():
        print(f"{precision}: not written, {why}")
    print(f"export: {made['export']}")


def map_scene(
    model: Annotated[str, typer.Argument(help="Folder of an export; or a model, as for `outcrop export`.")],
    scenes: Annotated[
        list[Path], typer.Argument(help="STAC items of scenes, or GeoTIFFs with the model's only modality.")
    ],
    output: Folder,
    precision: Annotated[Precision, typer.Option(help="Which of an export's graphs to use.")] = Precision.fp32,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Also write every class's probability.")
    ] = False,
    memory: Annotated[str, typer.Option(help="Memory that each process may take, such as 512MB.")] = "512MB",
    threads: Annotated[
        int | None,
        typer.Option(min=1, help="Threads that compute; default: one a core, in each of several workers one."),
    ] = None,
    bands: Annotated[
        str | None,
        typer.Option(help="Bands of a GeoTIFF in the model's order, such as 3,2,1; default: by their names."),
    ] = None,
    workers: WorkerCount = None,
    cluster: Cluster = None,
    runner: RunnerChoice = None,
    as_json: Json = False,
    where: Where = HERE,
) -> None:
    """Map a scene: the class of every base cell, how sure the model is, and where the ground is new to it.

    A map that was cut off goes on where it stopped. Neither memory, threads nor workers change what it holds. Of one
    scene, workers map windows; of several, each maps a scene, and the folder to write holds a map of each.

    **Examples**

        outcrop map exports/student data/sites/oman/year-0/year-0.json -o maps/oman

        outcrop map exports/student mosaic.tif -o maps/mosaic --precision int8 --memory 1GB

        outcrop map exports/student mosaic.tif -o maps/mosaic --workers 4

        outcrop map exports/student data/sites/*/year-0/year-0.json -o maps --workers 4

        outcrop map exports/student mosaic.tif -o maps/mosaic --cluster tcp://10.0.0.1:8786

        outcrop map simulated-teacher data/sites/oman/year-0/year-0.json -o maps/oman-teacher
    """
    from tasks.map import map_one, map_several
    from tasks.orders import Manner, parse_bands, parse_megabytes

    shared = choose_workers(runner, workers, cluster)
    manner = Manner(
        precision=precision.value,
        probabilities=probabilities,
        bands=parse_bands(bands) if bands else (),
        megabytes=parse_megabytes(memory),
        threads=threads or (os.cpu_count() or 1 if shared.runner is Runner.threads else 1),
        workers=shared,
    )
    if len(scenes) > 1:
        maps = map_several(model, scenes, output.resolve(), manner, where)
        if as_json:
            show_json({"maps": maps})
        else:
            print(*(_summary(made) for made in maps), sep="\n")
        return
    made = map_one(model, scenes[0], output.resolve(), manner, where)
    if as_json:
        show_json(made)
        return
    for name, share in sorted(made["classes"].items(), key=lambda entry: -entry[1]):
        if share:
            print(f"{name:<20} {share:7.2%}")
    print(f"{made['mapped']} of {made['cells']} cells mapped")
    if "unfamiliar" in made:
        print(f"not like the training data: {made['unfamiliar']:.1%}")
    print(f"map: {made['map']}")


def _summary(made: dict[str, Any]) -> str:
    """One line of one map among several."""
    most = max(made["classes"], key=made["classes"].__getitem__)
    return f"{made['map']}  {made['mapped']} of {made['cells']} cells mapped, most of them {most}"


def bench(
    model: Annotated[str, typer.Argument(help="A student, as for `outcrop export`.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder for table and picture; default: reports/bench.")
    ] = None,
    coverage: Annotated[float, typer.Option(min=0.001, help="Ground that the sensors cover, km² an hour.")] = 1.0,
    seconds: Annotated[float, typer.Option(min=0.1, help="For which each contender computes tiles.")] = 3.0,
    as_json: Json = False,
    where: Where = HERE,
) -> None:
    """Measure what a model costs: time, memory and energy, beside its teacher and with the sensors it needs.

    **Examples**

        outcrop bench simulated-student

        outcrop bench simulated-student --coverage 0.5 --seconds 60
    """
    workspace = open_workspace(where)
    from tasks.bench import bench as measure
    from tasks.bench import bench_table

    result = measure(workspace, model, (output or workspace.root / "reports" / "bench").resolve(), coverage, seconds)
    show(result, as_json, bench_table, _savings)


def _savings(result: dict[str, Any]) -> Iterator[str]:
    if "faster" in result:
        yield f"{result['cheapest']}: {result['faster']:.1f} x as fast as the teacher"
        yield f"energy of computing: {-result['computing_saved']:+.1%}"
    for name, words in {"sensor_power_saved": "power of the sensors", "whole_saved": "energy with the sensors"}.items():
        if name in result:
            yield f"{words}: {-result[name]:+.1%}"
    if result.get("break_even_km2") is not None:
        yield f"training is paid for by computing saved on {result['break_even_km2']:.0f} km²"
    yield f"table: {result['table']}"
    yield f"picture: {result['picture']}"
