"""What a network costs: sizes are counted, times are in order (how long they are is no matter for a test)."""

from pathlib import Path

import torch
from clusters import Clusters

from outcrop.field.efficiency import measure_cost
from outcrop.learning.models import Model, build_network, save_model


def test_cost_counts_parameters_and_bytes_and_orders_times(clusters: Clusters, tmp_path: Path) -> None:
    material = clusters.material(tmp_path)
    config = material.config(material.last)
    torch.manual_seed(0)
    model = Model(build_network(config).eval(), config)
    save_model(model, tmp_path / "model")
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    cost = measure_cost(model, tmp_path / "model", runs=3)
    stages, features, classes = (24, 24), 24, 3
    convolutions = 3 * stages[0] + 2 * stages[0] + stages[0] * stages[1] + 2 * stages[1]  # 1x1, each with its norm
    assert cost.parameters == convolutions + (stages[1] + 1) * features + (features + 1) * classes
    assert cost.bytes == (tmp_path / "model" / "weights.safetensors").stat().st_size > 4 * cost.parameters
    assert 0 < cost.latency_ms_p50 <= cost.latency_ms_p95 and cost.throughput > 0
    assert all(torch.equal(before[name], value) for name, value in model.network.state_dict().items())
