"""Files that would run code, leave their folder or fill the machine: each is refused in a sentence, and does nothing.

Every format that is read has its own tables of damaged files; here are those that somebody would make on purpose.
"""

import json
import os
import pickle  # noqa: TID251 (an attacker's tool)
import pickletools
import sqlite3
import struct
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import geopandas as gpd
import numpy as np
import onnx
import pytest
import shapely
import torch
from clouds import write_points
from conftest import CRS, EAST, NORTH, PROJECT, TinySurvey
from onnx import helper

from outcrop.errors import OutcropError
from outcrop.record.archives import Archive
from outcrop.record.digests import digest_bytes

SCENE = ("sites", "north", "scenes", "first")
MEGABYTES = 60


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = str(target)

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (self.target,)


class Attack(NamedTuple):
    """What is handed in, and what the refusal must say. The attack is given a survey and where a bomb would go off."""

    name: str
    strike: Callable[[TinySurvey, Path], object]
    told: str


def load(folder: Path) -> object:
    from outcrop.learning.models import load_model

    return load_model(folder)


def pickled_weights(tiny: TinySurvey, trace: Path) -> object:
    from outcrop.learning.models import Model, ModelConfig, build_network, save_model
    from outcrop.learning.networks import Input

    given = Input(modality="rgb", bands=("red",), side=12, mean=(0.0,), std=(1.0,))
    student = {"stages": [4], "centre": False, "features": 4}
    config = ModelConfig.model_validate(
        {
            "survey": "tiny",
            "role": "student",
            "classes": ["a", "b"],
            "footprint": 3,
            "inputs": [vars(given)],
            "architecture": student,
        }
    )
    save_model(Model(build_network(config).eval(), config), tiny.raw / "model")
    (tiny.raw / "model" / "weights.safetensors").write_bytes(pickle.dumps(Bomb(trace)))
    return load(tiny.raw / "model")


def torch_checkpoint(tiny: TinySurvey, trace: Path) -> object:
    """What `torch.save` writes, a zip with a pickle, in the place of an unfinished training: it is not gone on with."""
    from outcrop.learning.checkpoints import load_checkpoint

    module = torch.nn.Linear(1, 1)
    path = tiny.raw / "k.safetensors"
    torch.save({"bomb": Bomb(trace)}, path)
    if load_checkpoint(path, "k", module, torch.optim.SGD(module.parameters())) is None:
        raise OutcropError("the checkpoint is not gone on with")
    return None


def pickled_arrays(tiny: TinySurvey, trace: Path) -> object:
    from outcrop.learning.evaluation import load_scores

    np.savez(tiny.raw / "scores.npz", labels=np.array([Bomb(trace)], dtype=object), blocks=np.zeros(1))
    try:
        return load_scores(tiny.raw / "scores.npz")
    except ValueError as cause:
        raise OutcropError(str(cause)) from cause


def stac(**asset: Any) -> Callable[[TinySurvey, Path], object]:
    """A site whose item names another file."""

    def strike(tiny: TinySurvey, trace: Path) -> object:
        from outcrop.survey.sites import read_site

        site = tiny.ingest().path
        manifest = site / "first" / "first.json"
        item = json.loads(manifest.read_text())
        item["assets"]["rgb"].update(asset)
        manifest.write_text(json.dumps(item))
        return read_site(site)

    return strike


def linked(tiny: TinySurvey, trace: Path) -> object:
    from outcrop.survey.sites import read_site

    site = tiny.ingest().path
    (site / "first" / "rgb.tif").unlink()
    (site / "first" / "rgb.tif").symlink_to(tiny.raw / "first" / "rgb.tif")
    return read_site(site)


def survey_text(text: str) -> Callable[[TinySurvey, Path], object]:
    def strike(tiny: TinySurvey, trace: Path) -> object:
        from outcrop.survey.surveys import load_survey

        path = tiny.raw / "survey.yaml"
        path.write_text(text.replace("TRACE", str(trace)))
        return load_survey(path, PROJECT / "params.yaml")

    return strike


def pickled_graph(tiny: TinySurvey, trace: Path) -> object:
    from outcrop.field.exported import open_graph

    (tiny.raw / "graph.onnx").write_bytes(pickle.dumps(Bomb(trace)))
    return open_graph(tiny.raw / "graph.onnx")


def onnx_outside(location: str, *, inside: bool = False) -> Callable[[TinySurvey, Path], object]:
    """A graph whose weights lie in another file; ``inside``: in the branch of a node."""

    def strike(tiny: TinySurvey, trace: Path) -> object:
        import onnxruntime

        from outcrop.field.exported import open_graph

        def run(*arguments: object) -> None:
            trace.mkdir()

        path = tiny.raw / "graph.onnx"
        onnx.save(_graph_outside(location, inside=inside), path)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(onnxruntime, "InferenceSession", run)  # it must not come to that
            return open_graph(path)

    return strike


def _graph_outside(location: str, *, inside: bool) -> onnx.ModelProto:
    weights = helper.make_tensor("weights", onnx.TensorProto.FLOAT, [1], [0.0])
    weights.ClearField("float_data")
    weights.data_location = onnx.TensorProto.EXTERNAL
    weights.external_data.add(key="location", value=location)
    out = helper.make_tensor_value_info("out", onnx.TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Identity", ["weights"], ["out"])], "g", [], [out], [weights])
    if inside:
        asked = helper.make_tensor_value_info("asked", onnx.TensorProto.BOOL, [])
        branch = helper.make_node("If", ["asked"], ["out"], then_branch=graph, else_branch=graph)
        graph = helper.make_graph([branch], "outer", [asked], [out])
    return helper.make_model(graph)


def raster(content: str) -> Callable[[TinySurvey, Path], object]:
    def strike(tiny: TinySurvey, trace: Path) -> object:
        (tiny.raw / "first" / "rgb.tif").write_text(content)
        return tiny.ingest()

    return strike


def entry(keys: tuple[str, ...], value: Any, write: Callable[[Path], object]) -> Callable[[TinySurvey, Path], object]:
    """A survey that names a hostile file."""

    def strike(tiny: TinySurvey, trace: Path) -> object:
        write(tiny.raw / "first")
        inner = tiny.entries
        for key in keys[:-1]:
            inner = inner[key]
        inner[keys[-1]] = value
        return tiny.ingest()

    return strike


def zip_bomb(path: Path) -> None:
    """A thousandth of what it would unpack to."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.gpkg", "w") as member:
        for _ in range(MEGABYTES):
            member.write(bytes(1_000_000))


def endless_view(path: Path) -> None:
    """A GeoPackage of some kilobytes whose only layer is a view that has rows without end."""
    _with_layer(
        path,
        "CREATE VIEW layer AS WITH RECURSIVE n(fid) AS (SELECT 1 UNION ALL SELECT fid + 1 FROM n) "
        "SELECT n.fid, rock, geom FROM n, stored",
    )


def computed_column(path: Path) -> None:
    """A GeoPackage with a column that is computed of nothing: here a little, but it may be a gigabyte a row."""
    _with_layer(
        path,
        "CREATE TABLE layer (fid INTEGER PRIMARY KEY, geom BLOB, rock TEXT AS (hex(zeroblob(1000))))",
        "INSERT INTO layer (fid, geom) SELECT fid, geom FROM stored",
    )


def _with_layer(path: Path, *statements: str) -> None:
    """A GeoPackage with the polygons of the table ``stored``, which serve a layer that is made up."""
    shape = shapely.box(EAST, NORTH - 100, EAST + 100, NORTH)
    gpd.GeoDataFrame({"rock": ["basalt"]}, geometry=[shape], crs=CRS).to_file(path, layer="stored")
    with closing(sqlite3.connect(path)) as database:
        for statement in (*statements, *(f"UPDATE {table} SET table_name = 'layer'" for table in TABLES)):
            database.execute(statement)
        database.commit()


TABLES = ("gpkg_contents", "gpkg_geometry_columns")


def xml_bomb(path: Path) -> None:
    """Entities that expand ten to the ninth times, as KML."""
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    path.write_text(f'<?xml version="1.0"?><!DOCTYPE kml [<!ENTITY e0 "x">{entities}]><kml>&e9;</kml>')


def las_bomb(path: Path) -> None:
    """A header that promises four thousand million points."""
    at = np.zeros(3)
    write_points(
        path, {axis: at + value for axis, value in zip("xyz", (500_010.0, 7_099_990.0, 3.0), strict=True)}, CRS
    )
    content = bytearray(path.read_bytes())
    struct.pack_into("<Q", content, 247, 2**32)
    path.write_bytes(content)


POLYGONS = {"attribute": "rock", "grid": "elevation"}


def cloud(write: Callable[[Path], object]) -> Callable[[TinySurvey, Path], object]:
    """A survey whose elevation is a hostile point cloud."""
    strike = entry((*SCENE, "rasters", "elevation"), "first/cloud.las", lambda folder: write(folder / "cloud.las"))

    def with_terrain(tiny: TinySurvey, trace: Path) -> object:
        tiny.entries["modalities"]["elevation"] = {"bands": ["terrain"], "unit": "m", "range": [-100, 9000]}
        return strike(tiny, trace)

    return with_terrain


def hostile_record(**changes: Any) -> Callable[[TinySurvey, Path], object]:
    """A record whose bytes hash to its name."""

    def strike(tiny: TinySurvey, trace: Path) -> object:
        archive = Archive(tiny.raw / "records", tiny.raw, tiny.raw / "lock")
        values = {"project": archive.found(), "survey": "s", "kind": "model", "name": "m", "subject": "s", **changes}
        content = json.dumps(values).encode()
        archive.place(digest_bytes(content)).write_bytes(content)
        return archive.read(digest_bytes(content))

    return strike


def deep_record(tiny: TinySurvey, trace: Path) -> object:
    archive = Archive(tiny.raw / "records", tiny.raw, tiny.raw / "lock")
    archive.found()
    content = b'{"facts":' + b"[" * 10**6
    archive.place(digest_bytes(content)).write_bytes(content)
    return archive.read(digest_bytes(content))


def named(path: str) -> dict[str, Any]:
    return {"files": {"weights": {"path": path, "sha256": "0", "size": 1}}}


VRT = "<VRTDataset rasterXSize='1' rasterYSize='1'><VRTRasterBand><SimpleSource><SourceFilename>/etc/passwd"
ATTACKS = [
    Attack("a pickle in the place of weights", pickled_weights, "missing or damaged"),
    Attack("a torch checkpoint in the place of an unfinished training", torch_checkpoint, "not gone on with"),
    Attack("pickled arrays in the place of scores", pickled_arrays, "allow_pickle=False"),
    Attack("an ONNX graph whose weights lie above it", onnx_outside("../weights"), "from another file, `../weights`"),
    Attack(
        "an ONNX graph that names an absolute path", onnx_outside("/etc/passwd"), "from another file, `/etc/passwd`"
    ),
    Attack("an ONNX graph with such weights in a branch", onnx_outside("../weights", inside=True), "from another file"),
    Attack("a pickle in the place of an ONNX graph", pickled_graph, "cannot read the graph"),
    Attack("a STAC item whose asset lies above its site", stac(href="../../../raw/first/rgb.tif"), "inside the site"),
    Attack("a STAC item with an absolute path", stac(href="/etc/passwd"), "inside the site"),
    Attack("a STAC item with a URL", stac(href="https://example.org/rgb.tif"), "inside the site"),
    Attack(
        "a STAC item with a virtual path of GDAL's", stac(href="/vsicurl/http://example.org/a.tif"), "inside the site"
    ),
    Attack("a symbolic link out of a site", linked, "leads out of the site"),
    Attack(
        "a survey with a YAML tag that calls", survey_text("!!python/object/apply:os.mkdir ['TRACE']"), "not valid YAML"
    ),
    Attack("a survey with a YAML tag inside", survey_text("survey: !!python/name:os.mkdir ''"), "not valid YAML"),
    Attack("a VRT that names another file, as a GeoTIFF", raster(VRT), "GeoTIFF"),
    Attack(
        "a zip bomb as a GeoPackage",
        entry((*SCENE, "labels"), POLYGONS | {"polygons": "first/b.gpkg"}, lambda f: zip_bomb(f / "b.gpkg")),
        "b.gpkg",
    ),
    Attack(
        "a GeoPackage whose layer has rows without end",
        entry((*SCENE, "labels"), POLYGONS | {"polygons": "first/b.gpkg"}, lambda f: endless_view(f / "b.gpkg")),
        "the layer `layer` is computed",
    ),
    Attack(
        "a GeoPackage with a column that is computed",
        entry((*SCENE, "labels"), POLYGONS | {"polygons": "first/b.gpkg"}, lambda f: computed_column(f / "b.gpkg")),
        "the column `rock` is computed",
    ),
    Attack(
        "an XML bomb as GeoJSON",
        entry((*SCENE, "labels"), POLYGONS | {"polygons": "first/b.geojson"}, lambda f: xml_bomb(f / "b.geojson")),
        "b.geojson",
    ),
    Attack(
        "labels in a zip, by GDAL's virtual path",
        entry(
            (*SCENE, "labels"), POLYGONS | {"polygons": "/vsizip/first/b.zip/a.gpkg"}, lambda f: zip_bomb(f / "b.zip")
        ),
        "polygons",
    ),
    Attack("a zip bomb as a point cloud", cloud(zip_bomb), "cloud.las"),
    Attack(
        "a point cloud that promises 4 thousand million points",
        cloud(las_bomb),
        "cloud.las",
    ),
    Attack("a record that names a file above the workspace", hostile_record(**named("../../etc/passwd")), "no record"),
    Attack("a record that names an absolute path", hostile_record(**named("/etc/passwd")), "no record"),
    Attack("a record with a field of its own", hostile_record(loader="os.system"), "no record"),
    Attack("a record that is nested a million deep", deep_record, "no record"),
]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_what_could_run_code_or_leave_its_folder_is_refused(
    attack: Attack, tiny_survey: TinySurvey, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    with pytest.raises(OutcropError) as caught:
        attack.strike(tiny_survey, trace)
    assert attack.told in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not trace.exists()


def test_the_bombs_are_armed(tmp_path: Path) -> None:
    """What was refused would have gone off: loading it calls what makes a folder."""
    steps = [(step.name, argument) for step, argument, _ in pickletools.genops(pickle.dumps(Bomb(tmp_path / "trace")))]
    assert ("SHORT_BINUNICODE", "mkdir") in steps and ("REDUCE", None) in steps
    assert str(tmp_path / "trace") in {argument for _, argument in steps}
