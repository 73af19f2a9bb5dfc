"""Networks over windows: at every base cell exactly what the network gives for the patch around that cell.

Neighbouring patches share nearly all their pixels, so classifying one patch a cell repeats nearly all work. Here the
trunk runs once over a window, and each cell then takes its own part of the outcome. With unpadded convolutions that is
no approximation. Along one axis (both are alike):

- The patches of cells 0, 1, 2, ... begin ``step`` pixels apart: ``fine`` for a modality with ``fine`` pixels a
  cell. Of a coarser modality there is one patch a native pixel (``step`` 1), and each base cell takes that of the
  native pixel that holds it.
- Unpadded, a convolution of kernel k and stride t gives at position p of a patch a function of the k pixels from t p
  on, wherever the patch lies. After the first layers, let the positions of one patch lie ``pitch`` apart on the grid
  that was computed so far; at first ``pitch`` is 1. The next layer is asked for at i step + p t pitch, for all cells i
  and positions p: multiples of g = gcd(step, t pitch), and for enough positions all of them. So it is run with stride
  g and with its taps ``pitch`` apart (dilation), which gives what is asked for and nothing else. On its output,
  ``step`` becomes step / g and ``pitch`` becomes t pitch / g.
- Where the strides' product divides ``fine``, as with RGB four times finer than the base grid and one stride of 2, g is
  always t: the trunk runs over the window with the very strides that it has on a patch. Where it does not divide
  (``fine`` = 1), the layer keeps its grid and later ones are dilated: shift-and-stitch (all shifts of the strided
  network, interleaved), without repeating for every shift what comes before the stride.
- The patch's mean is then a box filter: the mean of P positions ``pitch`` apart, one box every ``step``; its centre is
  a small box at a shifted place; the moments are box filters of the pixels and of their squares.

A cell of a footprint of f cells so costs about as much as its own pixels do, not those of f x f cells.
Shift-and-stitch is from Sermanet et al., "OverFeat", ICLR 2014; that dilation does the same from Chen et al.,
"Semantic Image Segmentation with Deep Convolutional Nets and Fully Connected CRFs", ICLR 2015.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from math import gcd
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from outcrop.learning.committee import Committee
from outcrop.learning.encoders import SMALLEST_VARIANCE, Encoder
from outcrop.learning.networks import Input, Prediction

#: Side and stride of the squares that the teacher's trunk pools.
POOLED = 2
#: By modality, the window (1, bands, height, width) of native pixels.
Windows = dict[str, Tensor]


def rows_of(maps: Tensor) -> Tensor:
    """(1, channels, height, width) -> (height * width, channels)."""
    return maps[0].flatten(1).T


class _SpreadMean(nn.Module):
    """Mean of ``count`` x ``count`` positions that lie ``pitch`` apart, one such square every ``step``."""

    def __init__(self, count: int, pitch: int, step: int) -> None:
        super().__init__()
        self.count, self.pitch, self.step = count, pitch, step

    def forward(self, x: Tensor) -> Tensor:
        count, step = self.count, self.step
        if self.pitch == 1 and count % step == 0:
            # First the squares that lie side by side, then the few of them that a larger square holds.
            x, count, step = _mean(_mean(x, 2, step, 1, step), 3, step, 1, step), count // step, 1
        return _mean(_mean(x, 2, count, self.pitch, step), 3, count, self.pitch, step)


def _mean(x: Tensor, axis: int, count: int, pitch: int, step: int) -> Tensor:
    """Along one axis, the means of ``count`` positions ``pitch`` apart, ``step`` apart from one another."""
    if count == 1 and step == 1:
        return x
    if pitch == 1 and x.dtype == torch.float32:  # ONNX Runtime pools in single precision alone
        return F.avg_pool2d(x, (count, 1), (step, 1)) if axis == 2 else F.avg_pool2d(x, (1, count), (1, step))
    cells = (x.shape[axis] - (count - 1) * pitch - 1) // step + 1
    total = _every(x, axis, 0, cells, step)
    for index in range(1, count):
        total = total + _every(x, axis, index * pitch, cells, step)
    return total / count


def _every(x: Tensor, axis: int, first: int, cells: int, step: int) -> Tensor:
    """``cells`` positions along an axis, from ``first`` on and ``step`` apart."""
    taken = slice(first, first + (cells - 1) * step + 1, step)
    return x[:, :, taken] if axis == 2 else x[:, :, :, taken]


class DenseEncoder(nn.Module):
    """An encoder over a window (1, bands, height, width).

    Parameters
    ----------
    side : pixels along one side of a patch
    step : pixels between the patches of neighbouring cells
    """

    def __init__(self, encoder: Encoder, side: int, step: int) -> None:
        super().__init__()
        self.side, self.step = side, step
        self.standardise: nn.Module = encoder.standardise
        self.normalise, self.linear = encoder.normalise, encoder.linear
        layers, self.count, self.pitch, self.left = _spread(encoder.trunk, side, step)
        self.trunk = nn.Sequential(*layers)
        self.mean = _SpreadMean(self.count, self.pitch, self.left)
        self.centre = encoder.centre

    def forward(self, window: Tensor) -> tuple[Tensor, Tensor]:
        """Features (rows, columns, features), and the trunk's mean over each patch (rows, columns, channels)."""
        x = self.standardise(window)
        pooled = self.pooled(x)
        height, width = pooled[0].shape[2:]
        rows = torch.cat([rows_of(part) for part in pooled], dim=1)
        if self.normalise is not None:
            rows = torch.cat([rows, self.normalise(rows_of(self._moments(x)))], dim=1)
        return self.linear(rows).view(height, width, -1), rows_of(pooled[0]).view(height, width, -1)

    def pooled(self, x: Tensor) -> list[Tensor]:
        """Maps (1, channels, rows, columns) of a standardised window: the trunk's mean over each patch, its centre."""
        height, width = ((pixels - self.side) // self.step + 1 for pixels in x.shape[2:])
        seen = self.trunk(x)
        parts = [self.mean(seen)]
        if self.centre:
            parts.append(self._middle(seen))
        # Where a stride leaves a rest of the patch, the window has room for positions that belong to no patch.
        return [part[:, :, :height, :width] for part in parts]

    def _middle(self, seen: Tensor) -> Tensor:
        """The middle position of every patch, or the mean of the middle four."""
        first, last = (self.count - 1) // 2, self.count // 2
        kernel, rest = last - first + 1, -first % self.left
        if self.pitch == 1 and rest <= kernel // 2:
            # Pooled from a whole number of steps before the first middle on: cheaper than to shift what is pooled.
            skipped = (first + rest) // self.left
            return F.avg_pool2d(seen, kernel, self.left, padding=rest)[:, :, skipped:, skipped:]
        start, end = self.pitch * first, self.pitch * (self.count - 1 - last)
        inner = seen[:, :, start : seen.shape[2] - end, start : seen.shape[3] - end]
        return cast(Tensor, _SpreadMean(kernel, self.pitch, self.left)(inner))

    def _moments(self, x: Tensor) -> Tensor:
        """Mean and log-deviation of every band; in double precision, for a difference of squares loses digits."""
        exact = x.double()
        box = _SpreadMean(self.side, 1, self.step)
        mean = box(exact)
        variance = (box(exact.square()) - mean.square()).clamp_min(0)
        spread = 0.5 * (variance.float() + SMALLEST_VARIANCE).log()
        return torch.cat([mean.float(), spread], dim=1)


def _spread(trunk: nn.Sequential, side: int, step: int) -> tuple[list[nn.Module], int, int, int]:
    """A trunk's layers for windows, and what is left of a patch: positions a side, their pitch, and the step."""
    layers: list[nn.Module] = []
    pitch = 1
    for layer in trunk:
        if isinstance(layer, nn.AvgPool2d):
            kernel = stride = POOLED
            common = gcd(step, stride * pitch)
            layers.append(_SpreadMean(kernel, pitch, common))
        else:
            convolution, norm, activation = cast(nn.Sequential, layer)
            fused = fuse_conv_bn_eval(cast(nn.Conv2d, convolution), cast(nn.BatchNorm2d, norm))
            kernel, stride = fused.kernel_size[0], fused.stride[0]
            common = gcd(step, stride * pitch)
            fused.stride, fused.dilation = (common, common), (pitch, pitch)
            layers += [fused, activation]
        side = (side - kernel) // stride + 1
        step, pitch = step // common, stride * pitch // common
    return layers, side, pitch, step


class DenseNetwork(nn.Module):
    """A student, an assistant or a single teacher over windows of one tile of base cells.

    What lies behind the encoders sees one row of features a cell, as it does one a patch: it is the network itself,
    with the features put in where its encoders were.

    Parameters
    ----------
    network : in evaluation mode
    inputs : of the model
    fine : by modality, native pixels along one side of a base cell; 1 for equal and for coarser grids
    """

    def __init__(self, network: nn.Module, inputs: Sequence[Input], fine: Mapping[str, int]) -> None:
        super().__init__()
        network = deepcopy(network).eval()
        encoders = cast(nn.ModuleDict, network.encoders)
        self.encoders = nn.ModuleDict(
            {e.modality: DenseEncoder(cast(Encoder, encoders[e.modality]), e.side, fine[e.modality]) for e in inputs}
        )
        network.encoders = nn.ModuleDict({entry.modality: nn.Identity() for entry in inputs})
        self.rest = network

    def forward(self, windows: Windows, present: Tensor | None = None) -> Prediction:
        """What the network says of every cell of a tile, row by row.

        Parameters
        ----------
        windows : by modality (1, bands, height, width), the native pixels that the tile's patches cover; for a coarser
            one also ``<modality>_rows`` (tile height,) and ``<modality>_cols`` (tile width,), the patch that each row
            and column of cells takes
        present : not for windows; `Committee` hands on what its members are given for patches
        """
        features, _ = self.look(windows)
        return cast(Prediction, self.rest(features))

    def look(self, windows: Windows) -> tuple[Windows, Tensor]:
        """Features of every cell by modality (cells, features), and the means of all trunks (cells, channels)."""
        features, means = {}, []
        for name, encoder in self.encoders.items():
            parts = encoder(windows[name])
            if f"{name}_rows" in windows:
                rows, cols = windows[f"{name}_rows"], windows[f"{name}_cols"]
                parts = tuple(part[rows][:, cols] for part in parts)
            features[name], mean = (part.flatten(0, 1) for part in parts)
            means.append(mean)
        return features, torch.cat(means, dim=1)


def densify(network: nn.Module, inputs: Sequence[Input], fine: Mapping[str, int]) -> DenseNetwork | Committee:
    """The dense form of any network: a `DenseNetwork`, or a committee of them."""
    if isinstance(network, Committee):
        return Committee([DenseNetwork(member, inputs, fine) for member in network.members]).eval()
    return DenseNetwork(network, inputs, fine).eval()
