"""Random changes of training patches: geometry shared by all modalities, radiometry of each modality on its own."""

import torch
from torch import Tensor

from outcrop.params import Augment, Radiometry

Patches = dict[str, Tensor]


def augment(patches: Patches, std: Patches, params: Augment, generator: torch.Generator) -> Patches:
    """Change a batch of patches at random.

    Parameters
    ----------
    patches : by modality, (N, bands, side, side) in the modality's unit
    std : by modality, (bands,) training standard deviation of every band
    generator : source of randomness, on the CPU
    """
    changed = {name: radiometric(x, std[name], params.of(name), generator) for name, x in patches.items()}
    return flip(changed, generator) if params.flips else changed


def flip(patches: Patches, generator: torch.Generator) -> Patches:
    """One of the eight flips and quarter turns for each sample, the same in all its modalities."""
    count = len(next(iter(patches.values())))
    choice = torch.randint(8, (count,), generator=generator)
    return {name: _turned(x, choice) for name, x in patches.items()}


def _turned(x: Tensor, choice: Tensor) -> Tensor:
    """Every sample of ``x`` after its symmetry, in one pass: for each pixel, where it is taken from."""
    side = x.shape[-1]
    places = torch.arange(side * side).view(1, 1, side, side)
    sources = torch.stack([_turn(places, symmetry).flatten() for symmetry in range(8)])
    index = sources[choice].unsqueeze(1).expand(-1, x.shape[1], -1)
    return x.flatten(2).gather(2, index).view_as(x)


def _turn(x: Tensor, symmetry: int) -> Tensor:
    """Element ``symmetry`` (0-7) of the dihedral group of the square, on the last two axes."""
    turned = torch.rot90(x, symmetry % 4, (2, 3))
    return turned.flip(3) if symmetry >= 4 else turned


def radiometric(x: Tensor, std: Tensor, params: Radiometry, generator: torch.Generator) -> Tensor:
    """Warp along the band axis, then gain per band, offset per patch and noise per pixel (see `Radiometry`)."""
    n, bands = x.shape[:2]
    scale = std.view(1, bands, 1, 1)
    # One copy, changed in place: a batch of spectra is megabytes, and new memory costs more than arithmetic.
    if params.warp and bands > 2:
        x = warp_spectrum(x, params.warp * (2 * torch.rand(n, generator=generator) - 1))
    else:
        x = x.clone()
    if params.gain:
        x *= 1 + params.gain * torch.randn(n, bands, 1, 1, generator=generator)
    if params.offset:
        x += params.offset * scale * torch.randn(n, 1, 1, 1, generator=generator)
    if params.noise:
        x.addcmul_(torch.randn(x.shape, generator=generator), params.noise * scale)
    return x


def warp_spectrum(x: Tensor, shift: Tensor) -> Tensor:
    """Shift every sample's spectrum by ``shift`` (N,) bands, at most one, interpolating linearly; the ends repeat."""
    steps = x[:, 1:] - x[:, :-1]
    amount = shift.view(-1, 1, 1, 1)
    warped = x.clone()
    warped[:, :-1].addcmul_(steps, amount.clamp(min=0))
    warped[:, 1:].addcmul_(steps, amount.clamp(max=0))
    return warped
