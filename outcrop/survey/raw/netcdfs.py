"""NetCDF rasters, placed by the CF conventions; a dimension of wavelengths makes the bands."""

from pathlib import Path
from typing import Any

from outcrop.errors import SurveyError
from outcrop.survey.geotiffs import open_raw
from outcrop.survey.raw.hdf5 import check_whole
from outcrop.survey.raw.headers import Header, dataset_header, micrometres
from outcrop.survey.sites import Band

#: Tag of a band: its place on the dimension whose name follows.
PLACE = "NETCDF_DIM_"


def netcdf_header(path: Path, variable: str | None) -> Header:
    """The header of one variable; ``variable`` may be left out where there is one raster only.

    Raises
    ------
    SurveyError : there is no such variable, or there are several and none is named; parts lie in other files.
    """
    check_whole(path)
    with open_raw(path, "netCDF") as dataset:
        several = [name.rpartition(":")[2] for name in dataset.subdatasets]
        found = several or [dataset.tags(index).get("NETCDF_VARNAME", "") for index in dataset.indexes[:1]]
    wanted = variable or found[0]
    if wanted not in found or (variable is None and len(found) > 1):
        said = f"no raster `{variable}`" if variable else "several rasters"
        remedy = f"name one as `variable`: {', '.join(found)}"
        raise SurveyError(f"the NetCDF file has {said}", where=path, remedy=remedy)

    name = f'NETCDF:"{path}":{wanted}' if several else None
    with open_raw(path, "netCDF", name) as dataset:
        # Without coordinates GDAL takes the first row for the lowest; in every other format it is on top.
        options = {"GDAL_NETCDF_BOTTOMUP": "NO"} if dataset.transform.is_identity else {}
        bands = tuple(_band(dataset, index) for index in dataset.indexes)
        return dataset_header(dataset, bands, lambda: open_raw(path, "netCDF", name, **options))


def _band(dataset: Any, index: int) -> Band:
    for key, place in dataset.tags(index).items():
        unit = dataset.tags().get(f"{key.removeprefix(PLACE)}#units", "")
        centre = micrometres(place, unit) if key.startswith(PLACE) else None
        if centre is not None:
            return Band("", centre)
    return Band("")
