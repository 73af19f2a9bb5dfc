"""What it is used for: maps of sites and what a model costs to run."""

import os

# ONNX Runtime's own builds report to their maker, from 1.29 on, unless this is said before the first import of it; a
# module of this package cannot be imported before this is.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
