"""Encoders: from the patches of one modality to a feature vector.

All convolutions are unpadded, so that running a trunk over a window gives at every base cell what its patch gives.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

#: Patches smaller than this many pixels a side get 1x1 convolutions and no pooling.
SMALLEST_CONVOLVED = 8
#: Keeps the logarithm of a variance finite where a patch is constant; bands are standardised.
SMALLEST_VARIANCE = 1e-6


class Standardise(nn.Module):
    """(x - mean) / std per band, fitted on the training blocks; the model sees physical units from outside."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).view(-1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(N, bands, side, side) in the modality's unit -> the same, standardised."""
        return (x - self.mean) / self.std


def convolution(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Unpadded convolution, batch normalisation, GELU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride=stride, bias=False), nn.BatchNorm2d(outputs), nn.GELU()
    )


def pooled_trunk(bands: int, side: int, stages: Sequence[int]) -> nn.Sequential:
    """The teacher's trunk: 3x3 convolutions of ``stages`` channels with 2x2 average pooling between them.

    A stage for which fewer than 3 pixels a side are left convolves 1x1; a patch under `SMALLEST_CONVOLVED` pixels a
    side does so throughout and is not pooled.
    """
    layers: list[nn.Module] = []
    small = side < SMALLEST_CONVOLVED
    for index, channels in enumerate(stages):
        if index and not small and side >= 2:
            layers.append(nn.AvgPool2d(2))
            side //= 2
        kernel = 1 if small or side < 3 else 3
        layers.append(convolution(bands, channels, kernel))
        bands, side = channels, side - kernel + 1
    return nn.Sequential(*layers)


def strided_trunk(bands: int, side: int, stages: Sequence[int]) -> nn.Sequential:
    """The student's trunk: 3x3 convolutions of ``stages`` channels, the second and later ones with stride 2."""
    layers: list[nn.Module] = []
    small = side < SMALLEST_CONVOLVED
    for index, channels in enumerate(stages):
        kernel = 1 if small or side < 3 else 3
        stride = 2 if index and kernel == 3 and side >= 4 else 1
        layers.append(convolution(bands, channels, kernel, stride))
        bands, side = channels, (side - kernel) // stride + 1
    return nn.Sequential(*layers)


class Encoder(nn.Module):
    """Standardise, trunk, mean over the patch, linear to ``features``.

    With ``moments``, the linear layer also sees every band's mean and the logarithm of its deviation over the patch:
    they carry over to other sites better than what a trunk learns from few of them. Both are normalised over the
    batch, for a band may vary over a survey a hundred times as much as over a patch (elevation does). With ``centre``,
    it also sees what the trunk gives at the patch's centre: where units are hardly larger than a patch, their mean says
    little of the cell that is asked for.
    """

    def __init__(
        self,
        standardise: Standardise,
        trunk: nn.Sequential,
        channels: int,
        features: int,
        *,
        moments: bool = False,
        centre: bool = False,
    ) -> None:
        super().__init__()
        self.standardise, self.trunk, self.centre = standardise, trunk, centre
        statistics = 2 * standardise.mean.numel()
        self.normalise = nn.BatchNorm1d(statistics, affine=False) if moments else None
        self.linear = nn.Linear(channels * (1 + centre) + statistics * moments, features)

    def forward(self, x: Tensor) -> Tensor:
        """(N, bands, side, side) -> (N, features)."""
        x = self.standardise(x)
        seen = self.trunk(x)
        pooled = [seen.mean(dim=(2, 3))]
        if self.centre:
            pooled.append(_middle(seen).mean(dim=(2, 3)))
        if self.normalise is not None:
            spread = 0.5 * (x.var(dim=(2, 3), correction=0) + SMALLEST_VARIANCE).log()
            pooled.append(self.normalise(torch.cat([x.mean(dim=(2, 3)), spread], dim=1)))
        features: Tensor = self.linear(torch.cat(pooled, dim=1))
        return features


def _middle(maps: Tensor) -> Tensor:
    """The middle pixel (N, channels, 1, 1) of maps with odd sides, the middle four (N, channels, 2, 2) of even ones."""
    side = maps.shape[-1]
    first, last = (side - 1) // 2, side // 2 + 1
    return maps[:, :, first:last, first:last]
