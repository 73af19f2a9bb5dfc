"""What records tell of data, in the same words for those who record and those who audit. Imports no workflow tool."""

import glob
from collections.abc import Sequence
from pathlib import Path

from outcrop.record.digests import digest_files
from outcrop.survey.census import Census, training_files
from outcrop.survey.sites import SPLITS, Site

#: The fact of a dataset that tells of its raw files.
RAW = "raw"
#: What the labels of an onboarded site are called among a record's files, without their ending.
LABELS = "labels"


def block_names(sites: Sequence[Site], census: Census) -> dict[str, list[str]]:
    """The blocks of every split, as `site/scene:row,column` of their first cell."""
    found: dict[str, list[str]] = {}
    for split in SPLITS:
        blocks = [census.blocks[place] for place in census.of_split(split)]
        found[split] = [
            f"{sites[b.site].name}/{sites[b.site].scenes[b.scene].id}:{b.tile.row},{b.tile.col}" for b in blocks
        ]
    return found


def label_files(labels: Path) -> dict[str, Path]:
    """The files of labels that a site was onboarded with: one, or a Shapefile's, as `labels` with their endings."""
    beside = labels.parent.glob(f"{glob.escape(labels.stem)}.*") if labels.suffix.lower() == ".shp" else (labels,)
    return {f"{LABELS}{path.suffix.lower()}": path for path in beside}


def files_digest(folder: Path) -> str:
    """Digest of what a training takes from the census in a folder."""
    return digest_files(training_files(folder), folder)
