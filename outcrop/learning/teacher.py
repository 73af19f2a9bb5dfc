"""The teacher: one encoder a modality, attention across modality tokens; also the assistants, on fewer modalities."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from outcrop.learning.encoders import Encoder, Standardise, pooled_trunk
from outcrop.learning.networks import Input, Patches, Prediction
from outcrop.params import Teacher


class TeacherNetwork(nn.Module):
    """Fuses every modality; any subset of them works, the missing ones are masked tokens.

    Parameters
    ----------
    inputs : the modalities it can see
    classes : number of classes
    params : widths, dropout and modality dropout
    """

    def __init__(self, inputs: Sequence[Input], classes: int, params: Teacher) -> None:
        super().__init__()
        self.modalities = tuple(entry.modality for entry in inputs)
        self.modality_dropout = params.modality_dropout
        self.encoders = nn.ModuleDict({entry.modality: _encoder(entry, params) for entry in inputs})
        self.projections = nn.ModuleDict(
            {entry.modality: _projection(_width(entry.modality, params), params.token) for entry in inputs}
        )
        self.attention = nn.MultiheadAttention(params.token, params.heads, batch_first=True)
        self.norm = nn.LayerNorm(params.token)
        self.classifier = nn.Sequential(
            nn.Linear(params.token, params.hidden),
            nn.GELU(),
            nn.Dropout(params.dropout),
            nn.Linear(params.hidden, classes),
        )

    def forward(self, patches: Patches, present: Tensor | None = None) -> Prediction:
        """Classify patches.

        Parameters
        ----------
        patches : by modality, (N, bands, side, side); a modality that is not given is masked
        present : (N, modalities) bool, which modalities each sample has; default all that are given
        """
        tokens, present = self._tokens(patches, present)
        attended, _ = self.attention(tokens, tokens, tokens, key_padding_mask=~present, need_weights=False)
        tokens = self.norm(tokens + attended)
        weights = present.unsqueeze(2).to(tokens.dtype)
        fused = (tokens * weights).sum(dim=1) / weights.sum(dim=1)
        return Prediction(self.classifier(fused), fused)

    def attention_to_modalities(self, patches: Patches, present: Tensor | None = None) -> Tensor:
        """How much attention each modality's token receives (N, modalities), in the order of ``modalities``.

        The mean over heads and over the tokens that are present, each of which pays 1 in all; 0 for what is masked or
        not given. It tells what the tokens ask of one another, not all that counts: each also keeps its own part.
        Parameters are those of `forward`.
        """
        tokens, present = self._tokens(patches, present)
        _, paid = self.attention(tokens, tokens, tokens, key_padding_mask=~present, average_attn_weights=True)
        weights = present.unsqueeze(2).to(paid.dtype)
        received = (paid * weights).sum(dim=1) / weights.sum(dim=1)
        everywhere: Tensor = received.new_zeros(len(received), len(self.modalities))
        everywhere[:, [self.modalities.index(name) for name in self._given(patches)]] = received
        return everywhere

    def _given(self, patches: Patches) -> list[str]:
        return [name for name in self.modalities if name in patches]

    def _tokens(self, patches: Patches, present: Tensor | None) -> tuple[Tensor, Tensor]:
        """Tokens (N, given, token) of the modalities that are given, and which of them are present (N, given)."""
        given = self._given(patches)
        tokens = torch.stack([self.projections[name](self.encoders[name](patches[name])) for name in given], dim=1)
        if present is None:
            present = tokens.new_ones(tokens.shape[:2], dtype=torch.bool)
            if self.training and self.modality_dropout:
                present = keep_some(present, self.modality_dropout)
        else:
            present = present[:, [self.modalities.index(name) for name in given]]
        # The mask alone would let through what is not a number, as in a modality that a sample does not have.
        return tokens.masked_fill(~present.unsqueeze(2), 0.0), present


def keep_some(present: Tensor, drop: float) -> Tensor:
    """Hide each modality with chance ``drop``, but never all of a sample's: one then stays, chosen at random."""
    kept = present & (torch.rand(present.shape, device=present.device) >= drop)
    lottery = torch.rand(present.shape, device=present.device).masked_fill(~present, -1)
    rescued = nn.functional.one_hot(lottery.argmax(dim=1), present.shape[1]).bool()
    return torch.where(kept.any(dim=1, keepdim=True), kept, rescued)


def _width(modality: str, params: Teacher) -> int:
    return params.features.get(modality, params.features["default"])


def _encoder(entry: Input, params: Teacher) -> Encoder:
    trunk = pooled_trunk(len(entry.bands), entry.side, params.stages)
    standardise, width = Standardise(entry.mean, entry.std), _width(entry.modality, params)
    return Encoder(standardise, trunk, params.stages[-1], width, moments=True, centre=params.centre)


def _projection(features: int, token: int) -> nn.Sequential:
    hidden = 2 * token
    return nn.Sequential(nn.Linear(features, hidden), nn.LayerNorm(hidden), nn.GELU(), nn.Linear(hidden, token))
