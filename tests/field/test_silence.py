"""Nothing reports home: ONNX Runtime, which does so where it is not told otherwise, is told before it is imported."""

import os
import subprocess
import sys
from pathlib import Path

from conftest import PROJECT

#: Any of these would keep it silent by themselves.
SILENCING = ("ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS", "CI", "XDG_CACHE_HOME")


def test_no_trace_of_telemetry_is_left(tmp_path: Path) -> None:
    own = {name: value for name, value in os.environ.items() if name not in SILENCING}
    environment = own | {"HOME": str(tmp_path), "PYTHONPATH": str(PROJECT)}
    for module in ("exported", "quantisation"):
        command = [sys.executable, "-c", f"import outcrop.field.{module}"]
        subprocess.run(command, env=environment, check=True)
        assert not list(tmp_path.rglob("*onnxruntime*"))
