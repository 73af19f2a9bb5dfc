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
    flipped = {name: x.clone() for name, x in patches.items()}
    for symmetry in range(1, 8):
        chosen = (choice == symmetry).nonzero().squeeze(1)
        for name, x in patches.items():
            flipped[name][chosen] = _turn(x[chosen], symmetry)
    return flipped


def _turn(x: Tensor, symmetry: int) -> Tensor:
    """Element ``symmetry`` (0-7) of the dihedral group of the square, on the last two axes."""
    turned = torch.rot90(x, symmetry % 4, (2, 3))
    return turned.flip(3) if symmetry >= 4 else turned


def radiometric(x: Tensor, std: Tensor, params: Radiometry, generator: torch.Generator) -> Tensor:
    """Warp along the band axis, then gain per band, offset per patch and noise per pixel (see `Radiometry`)."""
    n, bands = x.shape[:2]
    scale = std.view(1, bands, 1, 1)
    if params.warp and bands > 2:
        x = warp_spectrum(x, params.warp * (2 * torch.rand(n, generator=generator) - 1))
    if params.gain:
        x = x * (1 + params.gain * torch.randn(n, bands, 1, 1, generator=generator))
    if params.offset:
        x = x + params.offset * scale * torch.randn(n, 1, 1, 1, generator=generator)
    if params.noise:
        x = x + params.noise * scale * torch.randn(x.shape, generator=generator)
    return x


def warp_spectrum(x: Tensor, shift: Tensor) -> Tensor:
    """Shift every sample's spectrum by ``shift`` (N,) bands, at most one, interpolating linearly; the ends repeat."""
    lower = torch.cat([x[:, :1], x[:, :-1]], dim=1)
    upper = torch.cat([x[:, 1:], x[:, -1:]], dim=1)
    amount = shift.view(-1, 1, 1, 1)
    return x + torch.where(amount > 0, amount * (upper - x), amount * (x - lower))
