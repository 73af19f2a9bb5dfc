"""Where each mineral absorbs: ``bands.csv`` beside this module holds the starts of the fits and says after whom."""

import csv
from pathlib import Path

from outcrop.survey.simulation.gaussians import Start

#: The name under which the table holds the bands that are sought in every mineral.
ALL = "all"


def read_starts() -> dict[str, tuple[Start, ...]]:
    """Bands by mineral, the same number for every specimen of it."""
    table: dict[str, list[Start]] = {}
    with Path(__file__).with_name("bands.csv").open(newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(line for line in stream if not line.startswith("#")):
            start = Start(float(row["centre"]), float(row["width"]), float(row["tolerance"]))
            table.setdefault(row["mineral"], []).append(start)
    everywhere = table.pop(ALL)
    return {mineral: (*everywhere, *starts) for mineral, starts in table.items()}
