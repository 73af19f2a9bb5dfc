"""Points to walk to, as GeoJSON: any GIS and most GPS devices take them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pyproj import CRS, Transformer
from pyproj.exceptions import ProjError

from outcrop.survey.sites import Scene

#: What GeoJSON is in, unless a file says otherwise (RFC 7946).
WORLD = "OGC:CRS84"


def write_waypoints(path: Path, points: Sequence[Mapping[str, Any]], scenes: Sequence[Scene]) -> Path:
    """Write points at the centres of cells.

    Longitude and latitude where the site lies on Earth; else x and y of the scene's own grid, which the file says.

    Parameters
    ----------
    points : each with ``scene`` (index), ``row``, ``col``, and whatever else is told of it
    """
    features = []
    for point in points:
        scene = scenes[point["scene"]]
        x, y = scene.grid.transform @ (point["col"] + 0.5, point["row"] + 0.5)
        place = _on_earth(scene.grid.crs, x, y)
        told = {**point, "scene": scene.id, "x": x, "y": y}
        geometry = {"type": "Point", "coordinates": [round(value, 7) for value in place or (x, y)]}
        features.append({"type": "Feature", "geometry": geometry, "properties": told})
    collection: dict[str, Any] = {"type": "FeatureCollection", "features": features}
    if points and _on_earth(scenes[points[0]["scene"]].grid.crs, 0, 0) is None:
        collection["description"] = "coordinates are x and y of the site's own grid, not longitude and latitude"
    path.write_text(json.dumps(collection, indent=1), encoding="utf-8")
    return path


def _on_earth(crs: str | None, x: float, y: float) -> tuple[float, float] | None:
    """Longitude and latitude; None without a CRS, or with that of another body."""
    if crs is None:
        return None
    try:
        longitude, latitude = Transformer.from_crs(CRS.from_user_input(crs), WORLD, always_xy=True).transform(x, y)
    except ProjError:
        return None
    return float(longitude), float(latitude)
