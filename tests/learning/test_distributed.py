"""The training loop under Fabric's own distributed mode: two processes on this machine train as one does.

`make services-test` runs it.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from benchmarks.servers import free_port

pytestmark = [pytest.mark.services, pytest.mark.timeout(1800)]
SCRIPT = Path(__file__).with_name("sharing.py")


def trained(processes: int, folder: Path) -> list[dict[str, torch.Tensor]]:
    folder.mkdir()
    loopback = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "GLOO_SOCKET_IFNAME": "lo"}
    environment = os.environ | loopback | {"PYTHONPATH": str(SCRIPT.parents[2])}
    command = [sys.executable, str(SCRIPT), str(processes), str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    return [load_file(folder / f"{rank}.safetensors") for rank in range(processes)]


def test_two_processes_come_to_the_weights_of_one(tmp_path: Path) -> None:
    (alone,) = trained(1, tmp_path / "one")
    first, second = trained(2, tmp_path / "two")
    for name, weights in alone.items():
        assert torch.equal(first[name], second[name])
        torch.testing.assert_close(first[name], weights, rtol=1e-4, atol=1e-5)
