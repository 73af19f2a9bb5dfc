"""The gate: a student with one says what it said before, comes back with it, and learns without forgetting."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from outcrop.learning.adaptation.heads import Head
from outcrop.learning.adaptation.looks import features_of, head_of, with_gate, with_head
from outcrop.learning.adaptation.redistillation import Pairs
from outcrop.learning.models import Model, ModelConfig, load_model, save_model
from outcrop.learning.networks import Input
from outcrop.learning.site_gate import FREEDOM, SiteGate, fit_gate, gated_width
from outcrop.learning.student import StudentNetwork
from outcrop.params import Student

FEATURES, CLASSES = 6, 3
INPUT = Input("rgb", ("red", "green", "blue"), 5, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
SMALL = Student(stages=(4, 8), features=FEATURES, centre=True)
PATCHES = {"rgb": torch.randn(7, 3, 5, 5, generator=torch.Generator().manual_seed(1))}


@pytest.fixture
def student() -> Model:
    torch.manual_seed(0)
    network = StudentNetwork([INPUT], CLASSES, SMALL).eval()
    names = ("basalt", "olivine", "soil")
    config = ModelConfig(survey="any", role="student", classes=names, footprint=5, inputs=(INPUT,), architecture=SMALL)
    return Model(network, config)


def cells(rng: np.random.Generator, number: int, away: float) -> np.ndarray:
    """Features that differ between site and sources in one direction."""
    return rng.normal(size=(number, FEATURES)) + away * np.eye(FEATURES)[0]


def gate_of(rng: np.random.Generator) -> SiteGate:
    return fit_gate(cells(rng, 200, 3.0), cells(rng, 200, -3.0))


def test_the_gate_is_a_logistic_regression_over_standardised_features() -> None:
    rng = np.random.default_rng(2)
    site, sources = 5 * cells(rng, 150, 0.5) + 2, 5 * cells(rng, 100, -0.5) + 2
    scaler = StandardScaler().fit(np.vstack([site, sources]))
    reference = LogisticRegression(C=FREEDOM).fit(scaler.transform(np.vstack([site, sources])), [1] * 150 + [0] * 100)
    x = cells(rng, 20, 0.0)
    out = fit_gate(site, sources)(torch.from_numpy(x).float()).numpy()
    here = reference.predict_proba(scaler.transform(x))[:, 1]
    assert out[:, -1] == pytest.approx(here, abs=1e-4)
    np.testing.assert_allclose(out, np.column_stack([x, here[:, None] * x, here]), rtol=1e-3, atol=1e-4)


def test_maps_are_gated_position_by_position() -> None:
    gate = gate_of(np.random.default_rng(3))
    maps = torch.randn(1, FEATURES, 4, 3, generator=torch.Generator().manual_seed(4))
    rows = maps[0].flatten(1).T
    torch.testing.assert_close(gate(maps)[0].flatten(1).T, gate(rows))


@pytest.mark.parametrize("gates", [1, 2])
def test_a_gated_student_says_what_it_said_and_comes_back_from_disk(student: Model, gates: int, tmp_path: Path) -> None:
    rng, network = np.random.default_rng(5), student.network
    for _ in range(gates):
        width = head_of(network).weight.shape[1]
        network = with_gate(network, fit_gate(rng.normal(1, 1, (80, width)), rng.normal(-1, 1, (80, width)))).eval()
    with torch.inference_mode():
        torch.testing.assert_close(network(PATCHES).logits, student.network(PATCHES).logits)
    assert features_of(network, PATCHES).shape == (7, gated_width(FEATURES, gates))
    moved = with_head(Model(network, student.config), head_of(network).extended(1), [*student.config.classes, "clay"])
    assert moved.config.gates == gates
    save_model(moved, tmp_path)
    back = load_model(tmp_path)
    with torch.inference_mode():
        torch.testing.assert_close(back.network(PATCHES).logits, moved.network(PATCHES).logits)


def test_what_is_learnt_behind_a_gate_stays_at_the_site() -> None:
    """Site and sources differ in one feature; the teacher contradicts the source's head at the site."""
    rng = np.random.default_rng(6)
    site, sources, gate = cells(rng, 400, 3.0), cells(rng, 400, -3.0), gate_of(rng)
    source = Head(rng.normal(size=(CLASSES, FEATURES)), np.zeros(CLASSES))
    teacher = Head(source.weight[::-1].copy(), source.bias)
    places = np.column_stack([np.zeros(400), np.arange(400) * 9, np.zeros(400)]).astype(np.intp)

    def lessons(look: torch.nn.Module) -> tuple[float, float]:
        here, home = (look(torch.from_numpy(x).float()).double().numpy() for x in (site, sources))
        start = Head(np.pad(source.weight, ((0, 0), (0, here.shape[1] - FEATURES))), source.bias)
        pairs = Pairs(here, site, places, np.ones(400), home, np.full(400, 1 / 400), 0.01, 1.0, 0.01)
        head = pairs.taught(start, teacher, places[:0], 0)
        agreed = (head.logits(here).argmax(1) == teacher.logits(site).argmax(1)).mean()
        kept = (head.logits(home).argmax(1) == source.logits(sources).argmax(1)).mean()
        return float(agreed), float(kept)

    plain, gated = lessons(torch.nn.Identity()), lessons(gate)
    assert max(plain) < 0.85
    assert min(gated) > 0.9
