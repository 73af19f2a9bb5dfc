"""What the figures of docs/simulation.md have to reach."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any


@dataclass(frozen=True)
class Target:
    """Between what limits a figure has to lie; ``path`` says where it stands among the results, by part."""

    path: str
    what: str
    low: float = -inf
    high: float = inf
    shown: str = "{:.3f}"

    @property
    def part(self) -> str:
        """What has to be measured for it."""
        return self.path.partition(".")[0]

    def row(self, results: Mapping[str, Any]) -> tuple[str, str, str, str]:
        """What was measured, the figure, the target, and whether it was met."""
        value: Any = results
        for key in self.path.split("."):
            value = value[key]
        met = "yes" if self.low <= value <= self.high else "NO"
        return self.what, self.shown.format(value), self._limits(), met

    def _limits(self) -> str:
        low, high = self.shown.format(self.low), self.shown.format(self.high)
        if self.low == -inf:
            return f"at most {high}"
        return f"at least {low}" if self.high == inf else f"{low} to {high}"


def _feature(mineral: str, place: float, tolerance: float) -> Target:
    what = f"{mineral}: where drawn specimens absorb most, median"
    return Target(f"spectra.features.{mineral}.median", what, place - tolerance, place + tolerance, "{:.3f} µm")


SHARE, ANGLE, MEGABYTES = "{:.1%}", "{:.4f} rad", "{:.0f} MB"
#: In the order of the document.
TARGETS = (
    Target("spectra.worst.class.rmse", "fits: median RMSE of the worst class", high=0.02, shown="{:.4f}"),
    Target("spectra.worst.class.angle", "fits: median angle of the worst class", high=0.05, shown=ANGLE),
    Target("spectra.worst.endmember.rmse", "fits: median RMSE of the worst endmember", high=0.02, shown="{:.4f}"),
    Target("spectra.worst.endmember.angle", "fits: median angle of the worst endmember", high=0.05, shown=ANGLE),
    _feature("olivine", 1.05, 0.02),
    _feature("kaolinite", 2.20, 0.01),
    _feature("calcite", 2.34, 0.01),
    _feature("magnesite", 2.31, 0.01),
    _feature("serpentine", 2.32, 0.01),
    Target("honesty.ratio.rgb", "forests: RGB / all sensors", 0.65, 0.85, SHARE),
    Target("honesty.ratio.multispectral", "forests: RGB and multispectral / all sensors", 0.85, 0.97, SHARE),
    Target("honesty.sites_ratio.rgb", "a forest a site: RGB / all sensors", 0.65, 0.85, SHARE),
    Target("honesty.sites_ratio.multispectral", "a forest a site: RGB and multispectral / all", 0.85, 0.97, SHARE),
    Target("honesty.cues.colour.ratio", "nearest mean colour / RGB forest", high=0.75, shown=SHARE),
    Target("honesty.cues.texture.ratio", "nearest mean texture / RGB forest", high=0.5, shown=SHARE),
    Target("honesty.shadow.difference", "bright units called dark: more out of the sun", low=0.1, shown=SHARE),
    Target("teacher.macro_f1", "teacher with dense labels: macro-F1", 0.85, 0.97),
    Target("shift.lost", "RGB student: macro-F1 lost on the new site", low=0.1),
    Target("shift.lost_by_native", "RGB student trained there: macro-F1 lost", high=0.1),
    Target("speed.middle.seconds", "a site with all sensors: time", high=60, shown="{:.1f} s"),
    Target("speed.middle.peak_mb", "a site with all sensors: peak memory", high=2048, shown=MEGABYTES),
    Target("speed.exponents.building", "time grows with the area to the power", high=1.1, shown="{:.2f}"),
    Target("speed.exponents.peak_mb", "memory grows with the area to the power", high=1.1, shown="{:.2f}"),
    Target("large.peak_mb", "a very large site: peak memory", high=4096, shown=MEGABYTES),
)
