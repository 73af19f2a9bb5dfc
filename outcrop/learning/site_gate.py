"""A gate by which a model that was adapted to a site behaves differently there than at home.

A head that is linear in a student's features bargains between the site and its sources: both share its weights. Where
features tell the two apart, a head over gated features need not: what it learns at the site hardly moves what it says
of source cells. It is a mixture of two experts (Jacobs et al. 1991, Neural Computation 3) whose gate is fixed
beforehand: a domain classifier, which needs no label (as in Ganin et al. 2016, JMLR 17, but nothing is to fool it).
"""

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

#: Inverse strength of the L2 penalty on the gate's weights, over standardised features.
FREEDOM = 0.1


class SiteGate(nn.Module):
    """``x`` -> ``(x, g x, g)`` with ``g = sigmoid(weight x + bias)``: how likely ``x`` is of the site.

    Features lie along the second axis: rows (N, d), or maps (1, d, rows, columns).
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(features))
        self.register_buffer("bias", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """(N, d) -> (N, 2 d + 1)."""
        weight = self.weight.view(1, -1, *[1] * (x.ndim - 2))
        here = torch.sigmoid((x * weight).sum(dim=1, keepdim=True) + self.bias)
        return torch.cat([x, here * x, here], dim=1)


@torch.inference_mode()
def behind(gate: SiteGate, features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Features (n, d) that have gone through a gate, (n, 2 d + 1)."""
    return np.asarray(gate(torch.from_numpy(features).to(gate.weight.device)).cpu())


def gated_width(features: int, gates: int) -> int:
    """Features behind so many gates, one behind the other."""
    for _ in range(gates):
        features = 2 * features + 1
    return features


def fit_gate(site: NDArray[np.float64], sources: NDArray[np.float64]) -> SiteGate:
    """Tell the features of a site's unlabelled cells (m, d) from those of its sources (r, d) by logistic regression."""
    features = np.concatenate([site, sources])
    scaler, regression = StandardScaler(), LogisticRegression(C=FREEDOM, max_iter=1000)
    make_pipeline(scaler, regression).fit(features, np.repeat([1, 0], [len(site), len(sources)]))
    weight = regression.coef_[0] / scaler.scale_
    gate = SiteGate(features.shape[1])
    gate.weight.copy_(torch.from_numpy(weight))
    gate.bias.fill_(float(regression.intercept_[0] - weight @ scaler.mean_))
    return gate
