"""Augmentation: the eight symmetries, shared by all modalities, and radiometry of the stated strength."""

from collections import Counter

import pytest
import torch

from outcrop.params import Augment, Radiometry
from outcrop.survey.augment import augment, flip, radiometric, warp_spectrum

STILL = Radiometry()


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def positions(side: int, count: int, bands: int = 1) -> torch.Tensor:
    """(count, bands, side, side) patches whose values say where in the patch they stand."""
    place = torch.arange(side * side, dtype=torch.float32).view(1, 1, side, side)
    return place.expand(count, bands, side, side).contiguous()


def symmetries(side: int) -> list[torch.Tensor]:
    """The eight images of a square under flips and transposition, spelled out without rotations."""
    square = positions(side, 1)[0, 0]
    return [x.flip(axes) for x in (square, square.T) for axes in [(), (0,), (1,), (0, 1)]]


def test_all_eight_symmetries_occur_equally_often() -> None:
    turned = flip({"rgb": positions(5, 4000)}, chance())["rgb"][:, 0]
    images = symmetries(5)
    counts = Counter(next(i for i, image in enumerate(images) if torch.equal(x, image)) for x in turned)
    assert set(counts) == set(range(8)) and all(400 < count < 600 for count in counts.values())


def test_all_modalities_of_a_patch_turn_alike() -> None:
    patches = {"rgb": positions(6, 64, bands=3), "elevation": positions(3, 64), "gamma": positions(1, 64)}
    turned = flip(patches, chance(3))
    fine, coarse = symmetries(6), symmetries(3)
    for rgb, elevation in zip(turned["rgb"], turned["elevation"], strict=True):
        which = next(i for i, image in enumerate(fine) if torch.equal(rgb[0], image))
        assert torch.equal(elevation[0], coarse[which])
        assert torch.equal(rgb[0], rgb[1]) and torch.equal(rgb[0], rgb[2])
    assert torch.equal(patches["rgb"], positions(6, 64, bands=3))  # the originals stay as they were


@pytest.mark.parametrize("shift", [-1.0, -0.4, 0.0, 0.25, 1.0])
def test_a_warp_shifts_a_linear_spectrum_by_exactly_the_shift(shift: float) -> None:
    ramp = (7 + 3 * torch.arange(9.0)).view(1, 9, 1, 1).expand(2, 9, 4, 4)
    warped = warp_spectrum(ramp, torch.tensor([shift, 0.0]))
    torch.testing.assert_close(warped[0, 1:-1], ramp[0, 1:-1] + 3 * shift)
    torch.testing.assert_close(
        warped[0, [0, -1]], ramp[0, [0, -1]] + 3 * torch.tensor([max(shift, 0), min(shift, 0)]).view(2, 1, 1)
    )
    assert torch.equal(warped[1], ramp[1])


def test_a_warp_by_a_whole_band_moves_every_spectrum_by_one() -> None:
    x = torch.randn(2, 6, 2, 2, generator=chance())
    warped = warp_spectrum(x, torch.tensor([1.0, -1.0]))
    torch.testing.assert_close(warped[0, :-1], x[0, 1:])
    torch.testing.assert_close(warped[1, 1:], x[1, :-1])


STD = torch.tensor([0.5, 2.0, 4.0])
LEVEL = torch.tensor([10.0, -20.0, 40.0]).view(1, 3, 1, 1)


def changes(**strengths: float) -> torch.Tensor:
    """What radiometry adds to constant bands: (4000, 3, 4, 4)."""
    x = LEVEL.expand(4000, 3, 4, 4)
    return radiometric(x, STD, Radiometry(**strengths), chance(1)) - x


def test_gain_is_relative_per_band_and_patch() -> None:
    change = changes(gain=0.1) / LEVEL
    torch.testing.assert_close(change.std(dim=(2, 3)), torch.zeros(4000, 3), atol=1e-6, rtol=0)
    torch.testing.assert_close(change[:, :, 0, 0].std(dim=0), torch.full((3,), 0.1), rtol=0.05, atol=0)
    correlation = torch.corrcoef(change[:, :, 0, 0].T)
    torch.testing.assert_close(correlation, torch.eye(3), atol=0.08, rtol=0)


def test_offset_is_one_number_a_patch_in_units_of_the_bands_deviation() -> None:
    change = changes(offset=0.3) / STD.view(1, 3, 1, 1)
    torch.testing.assert_close(change, change[:, :1, :1, :1].expand_as(change), atol=2e-5, rtol=0)
    assert float(change[:, 0, 0, 0].std()) == pytest.approx(0.3, rel=0.05)


def test_noise_is_drawn_for_every_pixel() -> None:
    change = changes(noise=0.2) / STD.view(1, 3, 1, 1)
    torch.testing.assert_close(change.std(dim=0), torch.full((3, 4, 4), 0.2), rtol=0.1, atol=0)
    assert float(torch.corrcoef(change[:, 0].reshape(4000, 16).T).fill_diagonal_(0).abs().max()) < 0.08


def test_the_warps_largest_shift_is_the_stated_one() -> None:
    ramp = torch.arange(5.0).view(1, 5, 1, 1).expand(4000, 5, 1, 1)
    shift = (radiometric(ramp, torch.ones(5), Radiometry(warp=0.5), chance()) - ramp)[:, 2, 0, 0]
    assert 0.49 < float(shift.max()) <= 0.5 and -0.5 <= float(shift.min()) < -0.49
    assert abs(float(shift.mean())) < 0.02


def test_each_modality_has_its_own_radiometry_and_nothing_changes_unasked() -> None:
    params = Augment.model_validate({"flips": False, "default": {"offset": 1.0}, "rgb": {}})
    patches = {"rgb": positions(3, 8), "thermal": positions(3, 8)}
    ones = {name: torch.ones(1) for name in patches}
    changed = augment(patches, ones, params, chance())
    assert torch.equal(changed["rgb"], patches["rgb"])
    assert (changed["thermal"] != patches["thermal"]).all()
    again = augment(patches, ones, params, chance())
    assert torch.equal(again["thermal"], changed["thermal"])
    assert params.of("rgb") == STILL != params.of("gamma") == params.default
