"""Networks: exact dense maps, small patches, masked modalities, and what they refuse to depend on."""

from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from outcrop.learning.encoders import SMALLEST_VARIANCE, Encoder, Standardise, pooled_trunk, strided_trunk
from outcrop.learning.networks import Input
from outcrop.learning.student import StudentNetwork
from outcrop.learning.teacher import TeacherNetwork, keep_some
from outcrop.params import Student, Teacher

SIDES = {"rgb": 12, "hyperspectral": 9, "thermal": 3, "gamma": 1}
BANDS = {"rgb": 3, "hyperspectral": 6, "thermal": 1, "gamma": 4}
CLASSES, COUNT = 5, 7
Trunk = Callable[[int, int, Sequence[int]], nn.Sequential]


def inputs(*modalities: str) -> tuple[Input, ...]:
    return tuple(
        Input(
            name,
            tuple(map(str, range(BANDS[name]))),
            SIDES[name],
            tuple(np.arange(BANDS[name]) + 0.5),
            tuple(np.arange(BANDS[name]) + 2.0),
        )
        for name in modalities
    )


def teacher(*modalities: str, **changes: object) -> TeacherNetwork:
    params = {
        "members": 1,
        "stages": (4, 6),
        "centre": False,
        "features": {"rgb": 8, "default": 5},
        "token": 8,
        "heads": 2,
        "hidden": 6,
        "dropout": 0.3,
        "modality_dropout": 0.5,
    }
    torch.manual_seed(0)
    network = TeacherNetwork(inputs(*(modalities or SIDES)), CLASSES, Teacher.model_validate({**params, **changes}))
    with torch.no_grad():  # as after training: otherwise batch normalisation is the identity
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2)
    return network.eval()


def student(*modalities: str) -> StudentNetwork:
    torch.manual_seed(0)
    params = Student(stages=(4, 6), centre=True, features=5)
    return StudentNetwork(inputs(*modalities), CLASSES, params).eval()


def patches(*modalities: str, seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        name: 3 * torch.randn(COUNT, BANDS[name], SIDES[name], SIDES[name], generator=generator)
        for name in (modalities or SIDES)
    }


SUBSETS = [subset for size in range(1, 5) for subset in combinations(SIDES, size)]


@torch.inference_mode()
@pytest.mark.parametrize("subset", SUBSETS, ids="-".join)
def test_a_masked_modality_is_as_if_it_were_absent(subset: tuple[str, ...]) -> None:
    """Left out, or declared absent: whatever its pixels hold, even what is not a number, changes nothing."""
    network, given = teacher(), patches()
    expected = network({name: given[name] for name in subset})
    assert torch.isfinite(expected.logits).all() and expected.logits.shape == (COUNT, CLASSES)
    present = torch.tensor([[name in subset for name in network.modalities]]).expand(COUNT, 4)
    for filling in (patches(seed=9), {name: torch.full_like(x, torch.nan) for name, x in given.items()}):
        masked = {name: given[name] if name in subset else filling[name] for name in SIDES}
        found = network(masked, present)
        torch.testing.assert_close(found.logits, expected.logits)
        torch.testing.assert_close(found.features, expected.features)


@torch.inference_mode()
def test_every_modality_that_is_present_counts() -> None:
    network, given = teacher(), patches()
    whole = network(given).logits
    for name in SIDES:
        other = network({**given, name: patches(seed=9)[name]}).logits
        assert ((other - whole).abs().amax(dim=1) > 1e-4).all()


@torch.inference_mode()
def test_each_sample_has_its_own_modalities() -> None:
    network, given = teacher(), patches()
    rng = np.random.default_rng(0)
    present = torch.from_numpy(rng.random((COUNT, 4)) < 0.5)
    present[:, 1] |= ~present.any(dim=1)
    together = network(given, present).logits
    for i in range(COUNT):
        alone = {name: given[name][i : i + 1] for m, name in enumerate(network.modalities) if present[i, m]}
        torch.testing.assert_close(together[i], network(alone).logits[0])


@torch.inference_mode()
@pytest.mark.parametrize("subset", SUBSETS, ids="-".join)
def test_all_attention_goes_to_the_modalities_that_are_there(subset: tuple[str, ...]) -> None:
    """Left out, or declared absent: it receives none, and the others what they receive without it."""
    network, given = teacher(), patches()
    expected = network.attention_to_modalities({name: given[name] for name in subset})
    assert expected.shape == (COUNT, 4)
    torch.testing.assert_close(expected.sum(dim=1), torch.ones(COUNT))
    seen = torch.tensor([name in subset for name in network.modalities])
    assert (expected[:, ~seen] == 0).all() and (expected[:, seen] > 0).all()
    masked = {name: x if name in subset else torch.full_like(x, torch.nan) for name, x in given.items()}
    torch.testing.assert_close(network.attention_to_modalities(masked, seen.expand(COUNT, 4)), expected)


@torch.inference_mode()
def test_attention_is_the_softmax_of_queries_and_keys() -> None:
    """Spelled out for one sample that lacks the second modality: mean over heads and over the tokens that are there."""
    network, given = teacher(), patches()
    there = [0, 2, 3]
    present = torch.tensor([[True, False, True, True]]).expand(COUNT, 4)
    names = [network.modalities[m] for m in there]
    tokens = torch.stack([network.projections[name](network.encoders[name](given[name]))[0] for name in names])
    query, key, _ = (tokens @ network.attention.in_proj_weight.T + network.attention.in_proj_bias).chunk(3, dim=1)
    heads = [(query[:, h : h + 4] @ key[:, h : h + 4].T / 2).softmax(dim=1) for h in (0, 4)]  # of width 4: sqrt is 2
    found = network.attention_to_modalities(given, present)[0]
    torch.testing.assert_close(found[there], torch.stack(heads).mean(dim=(0, 1)))
    assert found[1] == 0


@torch.inference_mode()
def test_the_order_of_the_patches_does_not_matter() -> None:
    network, given = teacher(), patches()
    backwards = dict(reversed(given.items()))
    assert torch.equal(network(backwards).logits, network(given).logits)


@pytest.mark.parametrize("drop", [0.0, 0.3, 0.95])
def test_hiding_leaves_one_and_hides_as_often_as_asked(drop: float) -> None:
    torch.manual_seed(0)
    present = torch.tensor([[True, True, True], [True, False, True], [False, True, False]]).repeat(4000, 1)
    kept = keep_some(present, drop)
    assert kept.any(dim=1).all() and not (kept & ~present).any()
    three = kept[::3].float()
    # Hidden with chance `drop`, unless all three are (drop^3): then each stays with chance 1/3.
    torch.testing.assert_close(three.mean(dim=0), torch.full((3,), 1 - drop + drop**3 / 3), atol=0.03, rtol=0)


def test_modalities_are_hidden_in_training_alone() -> None:
    network, given = teacher(dropout=0.0, modality_dropout=0.5), patches()
    torch.manual_seed(1)
    assert torch.equal(network(given).logits, network(given).logits)
    network.train()
    assert not torch.equal(network(given).logits, network(given).logits)


def test_no_convolution_is_padded() -> None:
    for network in (teacher(), student(*SIDES)):
        layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.AvgPool2d)]
        assert len(layers) >= 8 and all(layer.padding in (0, (0, 0)) for layer in layers)


@pytest.mark.parametrize("side", [1, 3, 5, 7])
@pytest.mark.parametrize("trunk", [pooled_trunk, strided_trunk])
def test_small_patches_are_convolved_pixel_by_pixel(trunk: Trunk, side: int) -> None:
    layers = trunk(3, side, (4, 6, 8))
    convolutions = [m for m in layers.modules() if isinstance(m, nn.Conv2d)]
    assert [c.kernel_size for c in convolutions] == [(1, 1)] * 3
    assert all(c.stride == (1, 1) for c in convolutions)
    assert not [m for m in layers.modules() if isinstance(m, nn.AvgPool2d)]


@pytest.mark.parametrize("stages", [(4,), (4, 6), (4, 6, 6, 8)])
@pytest.mark.parametrize("trunk", [pooled_trunk, strided_trunk])
def test_every_patch_is_large_enough_for_its_trunk(trunk: Trunk, stages: tuple[int, ...]) -> None:
    for side in range(1, 40):
        out = trunk(2, side, stages).eval()(torch.randn(1, 2, side, side))
        assert out.shape[1] == stages[-1] and min(out.shape[2:]) >= 1


@torch.inference_mode()
@pytest.mark.parametrize("moments", [False, True])
@pytest.mark.parametrize(("trunk", "stages", "side"), [(strided_trunk, (6,), 9), (pooled_trunk, (4, 6), 5)])
def test_a_trunk_over_a_window_gives_every_patch(
    trunk: Trunk, stages: tuple[int, ...], side: int, moments: bool
) -> None:
    """Without strides: convolve the window once, average over each patch's share of it, and compare."""
    torch.manual_seed(0)
    layers = trunk(3, side, stages).eval()
    encoder = Encoder(Standardise((1.0, 2.0, 3.0), (2.0, 1.0, 0.5)), layers, stages[-1], 5, moments=moments).eval()
    window = torch.randn(1, 3, 20, 17)
    cut = window.unfold(2, side, 1).unfold(3, side, 1)  # 1, bands, rows, cols, side, side
    rows, cols = cut.shape[2:4]
    expected = encoder(cut[0].permute(1, 2, 0, 3, 4).reshape(rows * cols, 3, side, side))
    values = encoder.standardise(window)
    dense = encoder.trunk(values)
    shrunk = window.shape[2] - dense.shape[2]
    pooled = [functional.avg_pool2d(dense, side - shrunk, stride=1)]
    if moments:
        mean, square = (functional.avg_pool2d(power, side, stride=1) for power in (values, values**2))
        spread = 0.5 * (square - mean**2 + SMALLEST_VARIANCE).log()
        statistics = encoder.normalise(torch.cat([mean, spread], dim=1).flatten(2)[0].T)
        pooled.append(statistics.T.view(1, -1, rows, cols))
    found = encoder.linear(torch.cat(pooled, dim=1)[0].flatten(1).T)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


@torch.inference_mode()
@pytest.mark.parametrize("side", [9, 10])
def test_the_centre_is_what_the_trunk_gives_there(side: int) -> None:
    """A change beyond the centre's own field of view changes the mean over the patch, but not the centre."""
    encoder = Encoder(Standardise((0.0,), (1.0,)), strided_trunk(1, side, (6, 4)), 4, 5, centre=True).eval()
    encoder.linear = nn.Identity()
    patch = torch.randn(2, 1, side, side)
    edited = patch.clone()
    edited[:, :, 0] += 1
    before, after = encoder(patch), encoder(edited)
    assert before.shape == (2, 8)
    assert not torch.allclose(before[:, :4], after[:, :4])
    torch.testing.assert_close(before[:, 4:], after[:, 4:])


@torch.inference_mode()
def test_models_see_physical_units() -> None:
    """Another unit with the mean and deviation to match gives the same answer."""
    given = patches("rgb")
    network = student("rgb")
    scaled = student("rgb")
    scaled.encoders["rgb"].standardise.mean = 100 * network.encoders["rgb"].standardise.mean - 7
    scaled.encoders["rgb"].standardise.std = 100 * network.encoders["rgb"].standardise.std
    torch.testing.assert_close(scaled({"rgb": 100 * given["rgb"] - 7}).logits, network(given).logits)


@torch.inference_mode()
def test_a_student_sees_its_modalities_alone() -> None:
    network, given = student("rgb", "thermal"), patches()
    found = network(given)
    assert found.features.shape == (COUNT, 2 * 5) and found.logits.shape == (COUNT, CLASSES)
    assert torch.equal(network({"rgb": given["rgb"], "thermal": given["thermal"]}).logits, found.logits)
    torch.testing.assert_close(network.classifier(found.features), found.logits)
