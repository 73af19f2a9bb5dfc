"""Charts of the ladder: what is drawn lies where its numbers say, in colours that everyone can tell apart."""

from io import BytesIO
from itertools import combinations

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from outcrop.field.charts import MODEL_COLOURS
from outcrop.field.ladder_charts import STROKES, attention_picture, class_retention_picture, power_picture, spaced
from outcrop.learning.ladders import Gain, Ladder, Method, Outcome, RungResult, Scores, Share
from outcrop.learning.metrics import Estimate

CLASSES = (
    "basalt", "olivine", "pyroxene", "plagioclase", "serpentine", "wollastonite",
    "calcite", "magnesite", "iron_oxide", "clay", "soil", "vegetation",
)  # fmt: skip
#: Made up: F1 of the teacher by class, and what the progressive student of the RGB rung keeps of it.
TEACHER_F1 = (0.93, 0.86, 0.82, 0.80, 0.84, 0.79, 0.88, 0.81, 0.91, 0.83, 0.90, 0.99)
RGB_KEEPS = (0.97, 0.84, 0.79, 0.74, 0.91, 0.62, 0.71, 0.58, 0.99, 0.80, 0.96, 1.0)
#: By rung: how much of what RGB loses it keeps, and its power in W.
RUNGS = {"all": (0.97, 77.8), "hyperspectral+rgb": (0.88, 51.8), "multispectral+rgb": (0.62, 19.8), "rgb": (0.0, 11.8)}
#: By method: how much macro-F1 it loses beside the progressive student, in all and on the last rung besides.
LOSES: dict[Method, tuple[float, float]] = {
    "control": (0.012, 0.05), "direct": (0.006, 0.015), "direct_equal_compute": (0.004, 0.008),
    "progressive": (0.0, 0.0), "shuffled_teacher": (0.014, 0.045),
}  # fmt: skip


def about(value: float, half: float) -> Estimate:
    return Estimate(value, value - half, value + half)


def scores(f1: dict[str, float], macro: float) -> Scores:
    each = {name: about(value, 0.03) for name, value in f1.items()}
    return Scores(about(macro, 0.02), (macro,), about(0.6, 0.05), about(0.04, 0.01), each, min(f1, key=f1.__getitem__))


def made_up(rungs: dict[str, tuple[float, float]] = RUNGS) -> Ladder:
    teacher = dict(zip(CLASSES, TEACHER_F1, strict=True))
    mean = float(np.mean(TEACHER_F1))
    made: dict[str, RungResult] = {}
    for name, (keeps, _) in rungs.items():
        kept = {c: 1 - (1 - k) * (1 - keeps) for c, k in zip(CLASSES, RGB_KEEPS, strict=True)}
        f1 = {c: kept[c] * teacher[c] for c in CLASSES}
        methods = {}
        for method, (lost, last) in LOSES.items():
            macro = float(np.mean(list(f1.values()))) - lost - last * (1 - keeps)
            retained: dict[str, Estimate | None] = {c: about(k, 0.02 + 0.1 * (1 - k)) for c, k in kept.items()}
            gain = Gain(about(0.01, 0.01), (0.01,))
            methods[method] = Outcome(
                scores(f1, macro), about(macro / mean, 0.018), retained, Share(None, "made up"), {"control": gain}
            )
        made[name] = RungResult(methods, {})
    support = {name: int(200 + 137 * c) for c, name in enumerate(CLASSES)}
    return Ladder((7, 8, 9), support, 60, scores(teacher, mean), made)


def made_up_attention() -> tuple[np.ndarray, tuple[str, ...]]:
    modalities = ("elevation", "gamma", "hyperspectral", "multispectral", "rgb", "thermal")
    rng = np.random.default_rng(3)
    weight = np.array([0.07, 0.10, 0.38, 0.2, 0.15, 0.10]) * rng.gamma(12, 1 / 12, (len(CLASSES), 6))
    return weight / weight.sum(axis=1, keepdims=True), modalities


WATTS = {name: watts for name, (_, watts) in RUNGS.items()}


def decode(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(png)).convert("RGBA")).astype(int)


def where(image: np.ndarray, colour: str) -> np.ndarray:
    """(n, 2) rows and columns of the pixels that have exactly this colour."""
    wanted = np.round(np.array(to_rgb(colour)) * 255)
    return np.argwhere((image[..., :3] == wanted).all(axis=-1) & (image[..., 3] == 255))


def only(ladder: Ladder, method: Method) -> Ladder:
    for rung in ladder.rungs.values():
        for other in set(rung.methods) - {method}:
            del rung.methods[other]
    return ladder


def test_better_methods_stand_higher_and_stronger_sensors_further_right() -> None:
    image = decode(power_picture(made_up(), WATTS))
    chart = image[:750, :1550]  # without the key below and the names to the right
    heights = {method: where(chart, stroke.colour)[:, 0] for method, stroke in STROKES.items()}
    assert heights["progressive"].max() < heights["control"].max()
    assert heights["progressive"].min() < heights["control"].min()
    teacher = where(chart, MODEL_COLOURS["teacher"])[:, 0]
    assert teacher.min() < heights["progressive"].min()


def columns_of(watts: dict[str, float]) -> tuple[int, int]:
    """Leftmost and rightmost pixel of a single line over the rungs."""
    rungs = dict.fromkeys(watts, RUNGS["all"])
    found = where(decode(power_picture(only(made_up(rungs), "control"), watts))[:700, :1550], STROKES["control"].colour)
    return int(found[:, 1].min()), int(found[:, 1].max())


def test_rungs_of_the_same_power_do_not_hide_one_another() -> None:
    """Of four rungs between 10 and 90 W two need 10 W: they stand apart, and the others where they stood."""
    first, last = columns_of({"a": 10, "b": 10, "c": 50, "d": 90})
    alone = columns_of({"a": 10, "c": 50, "d": 90})
    assert abs(first - alone[0]) <= 2 and abs(last - alone[1]) <= 2
    ends = columns_of({"a": 10, "b": 10})
    assert ends[1] - ends[0] > 20


def test_a_rung_of_unknown_power_is_not_drawn_but_named() -> None:
    named = decode(power_picture(made_up(), WATTS | {"rgb": None}))
    rest = {name: made for name, made in RUNGS.items() if name != "rgb"}
    without = decode(power_picture(made_up(rest), WATTS))
    np.testing.assert_array_equal(named[:-50], without[:-50])
    assert named[-50:, :, 3].sum() > without[-50:, :, 3].sum() == 0


def test_no_rung_and_no_power_are_drawn_all_the_same() -> None:
    assert decode(power_picture(made_up(), {})).shape[1] == 1800
    assert decode(power_picture(made_up({"rgb": RUNGS["rgb"]}), {"rgb": 0.0})).shape[1] == 1800
    assert decode(class_retention_picture(made_up({}))).ndim == 3


def test_methods_differ_without_colour() -> None:
    assert len({stroke.marker for stroke in STROKES.values()}) == len(STROKES)


#: Machado, Oliveira, Fernandes 2009: how dichromats see linear sRGB.
SIGHT = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


@pytest.mark.parametrize("sight", SIGHT)
def test_methods_are_told_apart_by_the_colour_blind(sight: str) -> None:
    """CIE 1976 difference of at least 12 between any two methods: far above what is just seen (about 2)."""
    seen = []
    for stroke in STROKES.values():
        value = np.array(to_rgb(stroke.colour))
        linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
        linear = np.clip(np.array(SIGHT[sight]) @ linear, 0, 1)
        to_xyz = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175], [0.0193339, 0.119192, 0.9503041]]
        x, y, z = np.cbrt(np.array(to_xyz) @ linear / (0.95047, 1, 1.08883))
        seen.append(np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)]))
    assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) > 12


def test_what_is_kept_is_dark_and_what_is_lost_is_orange() -> None:
    whole = {"all": (1.0, 0.0)}
    image = decode(class_retention_picture(made_up(whole)))
    cells = len(CLASSES) + 1
    assert len(where(image, "#0d4f66")) > 0.7 * cells * 250 * 72
    lost = made_up(whole)
    for name in CLASSES:
        lost.rungs["all"].methods["progressive"].class_retention[name] = Estimate(0.0, 0.0, 0.1)
    image = decode(class_retention_picture(lost))
    assert len(where(image, "#7f2d06")) > 0.7 * (cells - 1) * 250 * 72
    assert len(where(image, "#0d4f66")) < 1.01 * 250 * 72  # macro-F1 alone


def test_the_classes_that_the_last_rung_loses_most_come_first() -> None:
    """One class is lost and one is not known by the teacher: below macro-F1 comes the first, last the other."""
    ladder = made_up({"rgb": (1.0, 0.0)})
    kept = ladder.rungs["rgb"].methods["progressive"].class_retention
    kept["soil"], kept["basalt"] = Estimate(0.0, 0.0, 0.1), None
    image = decode(class_retention_picture(ladder))
    orange, grey, dark = (where(image, colour)[:, 0].mean() for colour in ("#7f2d06", "#d4d2ce", "#0d4f66"))
    assert orange < dark < grey


def test_the_most_heeded_modality_comes_first() -> None:
    """Two of three classes are seen by thermal alone; of the third, absent from the test, nothing is drawn."""
    attention = np.array([[0.0, 1.0], [np.nan, np.nan], [0.0, 1.0]])
    image = decode(attention_picture(attention, ("a", "b", "c"), ("rgb", "thermal")))
    full, none = where(image, "#3b2a63"), where(image, "#f0eef5")
    assert full[:, 0].max() < none[:, 0].min()
    assert 0.6 < len(full) / (3 * 100 * 80) < 1.01  # the mean and two classes


def test_equal_input_gives_equal_bytes() -> None:
    attention, modalities = made_up_attention()
    assert attention_picture(attention, CLASSES, modalities) == attention_picture(attention, CLASSES, modalities)
    assert power_picture(made_up(), WATTS) == power_picture(made_up(), WATTS)


def test_pictures_are_readable_at_900_pixels() -> None:
    """A picture of twice that width at most, so that its smallest text (6.5 points at 200 dpi) keeps 9 pixels."""
    attention, modalities = made_up_attention()
    for png in (
        power_picture(made_up(), WATTS),
        class_retention_picture(made_up()),
        attention_picture(attention, CLASSES, modalities),
    ):
        assert decode(png).shape[1] <= 1800


def test_a_rung_may_be_broken_at_its_plus_signs() -> None:
    assert spaced("hyperspectral+rgb") == spaced("hyperspectral + rgb") == "hyperspectral + rgb"
