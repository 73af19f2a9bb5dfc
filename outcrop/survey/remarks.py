"""What ingest remarked on raw files and labels, in as few lines as a person will read."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from outcrop.survey.sites import Raster, Site

#: A note that begins with a count, as in "2 polygons got no label".
COUNTED = re.compile(r"(\d+) (\S+?)s? (.*)")


def remarks_on(raster: Raster, notes: Sequence[str]) -> list[str]:
    """What a reader must know of a raster: whether it was measured, and what ingest did to it."""
    said = [f"derived from {raster.derived_from}"] if raster.derived_from else []
    return [*said, *(["the wavelengths are approximate"] if raster.approximate else []), *notes]


def summed(notes: Iterable[str]) -> dict[str, int]:
    """Notes of several scenes, the same words only once and their counts summed; and how many notes each stands for."""
    times: Counter[tuple[str, str]] = Counter()
    counts: Counter[tuple[str, str]] = Counter()
    for note in notes:
        match = COUNTED.fullmatch(note)
        words = (match[2], match[3]) if match else ("", note)
        times[words] += 1
        counts[words] += int(match[1]) if match else 0
    return {
        f"{several(counts[thing, rest], thing)} {rest}" if thing else rest: number
        for (thing, rest), number in times.items()
    }


def site_remarks(site: Site) -> list[str]:
    """What ingest did to raw files and labels beyond cutting them, one line a remark and owner."""
    notes = {"labels": [note for scene in site.scenes for note in scene.notes]}
    for scene in site.scenes:
        for modality, raster in scene.rasters.items():
            notes.setdefault(modality, []).extend(raster.notes)
    return [
        f"{site.name}, {owner}: {text}" + (f" ({several(times, 'scene')})" if len(site.scenes) > 1 else "")
        for owner, said in notes.items()
        for text, times in summed(said).items()
    ]


def several(count: int, thing: str) -> str:
    """A count and what is counted."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"
