"""The dense form of every network says of each cell exactly what the network says of the patch around it."""

from collections.abc import Sequence

import pytest
import torch
from conftest import PROJECT
from torch import Tensor, nn

from outcrop.field.dense import densify
from outcrop.learning.committee import Committee
from outcrop.learning.encoders import Encoder, Standardise, strided_trunk
from outcrop.learning.networks import Input
from outcrop.learning.student import StudentNetwork
from outcrop.learning.teacher import TeacherNetwork
from outcrop.params import load_params
from outcrop.survey.blocks import Tile, native_window
from outcrop.survey.grids import Nesting

PARAMS = load_params(PROJECT / "params.yaml")
TILE = Tile(7, 4, 5, 6)
#: What the issue of exact maps is measured by; logits are of the order of 1.
TOLERANCE = 1e-5
NESTINGS = [Nesting(), Nesting(fine=2), Nesting(fine=3), Nesting(fine=4), Nesting(coarse=3, row=1, col=2)]
STAGES: list[tuple[int, ...]] = [(6,), (6, 7), (6, 7, 8)]


def an_input(modality: str, nesting: Nesting, footprint: int) -> Input:
    return Input(modality, ("a", "b"), nesting.patch_side(footprint), (100.0, -3.0), (30.0, 0.5))


def awakened(network: nn.Module) -> nn.Module:
    """In evaluation mode, with batch norms that are not the identity."""
    torch.manual_seed(1)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.3)
            layer.running_var.uniform_(0.5, 2)
    return network.eval()


def student(inputs: Sequence[Input], stages: tuple[int, ...], centre: bool) -> nn.Module:
    params = PARAMS.student.model_copy(update={"stages": stages, "centre": centre, "features": 8})
    return awakened(StudentNetwork(inputs, 3, params))


def student_with_moments(inputs: Sequence[Input], stages: tuple[int, ...], centre: bool) -> nn.Module:
    network = student(inputs, stages, centre)
    for entry in inputs:
        trunk, standardise = strided_trunk(2, entry.side, stages), Standardise(entry.mean, entry.std)
        network.encoders[entry.modality] = Encoder(standardise, trunk, stages[-1], 8, moments=True, centre=centre)
    return awakened(network)


def teacher(inputs: Sequence[Input], stages: tuple[int, ...], centre: bool) -> nn.Module:
    update = {"stages": stages, "centre": centre, "features": {"default": 8}, "token": 16, "heads": 2, "hidden": 8}
    return awakened(TeacherNetwork(inputs, 3, PARAMS.teacher.model_copy(update=update)))


def committee(inputs: Sequence[Input], stages: tuple[int, ...], centre: bool) -> nn.Module:
    return Committee([teacher(inputs, stages, centre) for _ in range(2)]).eval()


def cut(nestings: dict[str, Nesting], footprint: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """A window of noise for `TILE`, and the patches of its cells cut from it."""
    torch.manual_seed(2)
    windows, patches = {}, {}
    for name, nesting in nestings.items():
        window = native_window(nesting, TILE, footprint)
        pixels = torch.randn(2, window.height, window.width) * torch.tensor([30.0, 0.5]).view(-1, 1, 1)
        pixels[:, : window.side] *= 1e-3  # ground without texture, of which the moments need every digit
        pixels += torch.tensor([100.0, -3.0]).view(-1, 1, 1)
        windows[name] = pixels[None]
        if nesting.coarse > 1:
            windows[f"{name}_rows"] = torch.from_numpy(window.row_starts)
            windows[f"{name}_cols"] = torch.from_numpy(window.col_starts)
        corners = [(row, col) for row in window.row_starts for col in window.col_starts]
        patches[name] = torch.stack([pixels[:, r : r + window.side, c : c + window.side] for r, c in corners])
    return windows, patches


def difference(network: nn.Module, nestings: dict[str, Nesting], inputs: Sequence[Input], footprint: int) -> float:
    windows, patches = cut(nestings, footprint)
    dense = densify(network, inputs, {name: nesting.fine for name, nesting in nestings.items()})
    with torch.inference_mode():
        said, expected = dense(windows), network(patches)
    assert said.logits.shape == (TILE.height * TILE.width, 3)
    return max(float((one - other).abs().max()) for one, other in zip(said, expected, strict=True))


@pytest.mark.parametrize("make", [student, student_with_moments, teacher])
@pytest.mark.parametrize("centre", [False, True])
@pytest.mark.parametrize("stages", STAGES)
@pytest.mark.parametrize("footprint", [3, 9])
def test_every_cell_gets_what_its_patch_gets(make, footprint, stages, centre) -> None:
    for nesting in NESTINGS:
        inputs = [an_input("one", nesting, footprint)]
        assert difference(make(inputs, stages, centre), {"one": nesting}, inputs, footprint) <= TOLERANCE, nesting


@pytest.mark.parametrize("make", [student, teacher, committee])
def test_modalities_of_every_ratio_meet_in_one_cell(make) -> None:
    nestings = {"rgb": Nesting(fine=4), "cube": Nesting(), "gamma": Nesting(coarse=4, row=3, col=1)}
    inputs = [an_input(name, nesting, 9) for name, nesting in nestings.items()]
    assert difference(make(inputs, (6, 7), True), nestings, inputs, 9) <= TOLERANCE


def test_the_network_itself_stays_as_it_is() -> None:
    inputs = [an_input("one", Nesting(), 9)]
    network = student(inputs, (6, 7), False)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    densify(network, inputs, {"one": 1})
    assert network.encoders["one"].trunk[1][0].stride == (2, 2)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
