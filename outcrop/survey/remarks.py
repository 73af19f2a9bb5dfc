"""What ingest remarked on a site's raw files and labels, in as few lines as a person will read."""

import re
from collections import Counter

from outcrop.survey.sites import Site

#: A remark that begins with a count, as in "2 polygons got no label".
COUNTED = re.compile(r"(\d+) (\S+?)s? (.*)")


def remarks(site: Site) -> list[str]:
    """What ingest did to raw files and labels beyond cutting them; the same words only once, counts summed."""
    scenes: Counter[tuple[str, str, str]] = Counter()
    counts: Counter[tuple[str, str, str]] = Counter()
    for scene in site.scenes:
        notes = [("labels", note) for note in scene.notes]
        notes += [(name, note) for name, raster in scene.rasters.items() for note in raster.notes]
        for owner, note in notes:
            match = COUNTED.fullmatch(note)
            key = (owner, match[2], match[3]) if match else (owner, "", note)
            scenes[key] += 1
            counts[key] += int(match[1]) if match else 0
    lines = []
    for (owner, thing, rest), times in scenes.items():
        count = counts[owner, thing, rest]
        text = f"{_several(count, thing)} {rest}" if thing else rest
        where = f" ({_several(times, 'scene')})" if len(site.scenes) > 1 else ""
        lines.append(f"{site.name}, {owner}: {text}{where}")
    return lines


def _several(count: int, thing: str) -> str:
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"
