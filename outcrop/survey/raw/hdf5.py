"""HDF5 files, of which NetCDF 4 and MATLAB 7.3 files are two kinds: they may point to bytes of other files."""

from pathlib import Path
from typing import Any

from outcrop.errors import SurveyError


def check_whole(path: Path) -> None:
    """Refuse an HDF5 file that takes data from others, which could be any on the machine; other files pass.

    Raises
    ------
    SurveyError : it has external links, external storage or virtual datasets.
    """
    import h5py

    if not h5py.is_hdf5(path):
        return
    with h5py.File(path) as file:
        found = _outside(file, set())
    if found is not None:
        raise SurveyError(f"`{found}` lies in another file", where=path, remedy="export the data into one file")


def _outside(group: Any, seen: set[int]) -> str | None:
    """The first thing in a group, or in the groups in it, that is not in this file."""
    import h5py

    seen.add(h5py.h5o.get_info(group.id).addr)
    for name in group:
        link, path = group.get(name, getlink=True), f"{group.name}/{name}".lstrip("/")
        if isinstance(link, h5py.ExternalLink):
            return path
        if isinstance(link, h5py.SoftLink):
            continue
        item = group[name]
        if isinstance(item, h5py.Dataset) and (item.external or item.is_virtual):
            return path
        if isinstance(item, h5py.Group) and h5py.h5o.get_info(item.id).addr not in seen:
            inside = _outside(item, seen)
            if inside is not None:
                return inside
    return None
