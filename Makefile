# `make demo` and `make test` do all the set-up.
# For a CPU-only torch: make demo TORCH_INDEX=https://download.pytorch.org/whl/cpu
PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
TORCH_INDEX ?=
export PATH := $(BIN):$(PATH)
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: demo test services-test lint results ladder bench simulation onboarding carbon audit operations scale clean

demo: $(VENV)/installed
	dvc repro --quiet
	outcrop retrain

# Side by side, a worker a core: so each has one thread. Files stay whole, for what their tests share; the long ones begin.
test: lint
	OMP_NUM_THREADS=1 pytest -n auto --dist loadfile --no-loadscope-reorder

lint: $(VENV)/installed
	ruff check .
	ruff format --check .
	mypy

# Against PostgreSQL, an S3-compatible server and a browser: Debian's packages postgresql and chromium. What is not there is
# skipped, and said so. The lock of these packages stands apart: the other is part of every step's key.
services-test: $(VENV)/installed
	$(BIN)/pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --constraint constraints-services.txt --editable '.[dev,services]'
	OMP_NUM_THREADS=1 pytest -m services -rs

# The figures of docs/results.md; resumes where it stopped. Needs OUTCROP_REAL_DATA.
results: $(VENV)/installed
	python -m benchmarks.results

# The figures of docs/ladder.md; resumes where it stopped. The real surveys need OUTCROP_REAL_DATA.
ladder: $(VENV)/installed
	python -m benchmarks.changes
	python -m benchmarks.searching
	python -m benchmarks.ladder

# The figures of docs/performance.md: ratios within one run.
# The ingest of many scenes needs OUTCROP_REAL_DATA.
bench: $(VENV)/installed
	python -m benchmarks.performance

# The figures of docs/onboarding.md; resumes where it stopped. NEON and Mars need OUTCROP_REAL_DATA.
onboarding: $(VENV)/installed
	python -m benchmarks.rehearsals
	python -m benchmarks.onboarding

# The figures of docs/simulation.md; resumes where it stopped. Its pictures need OUTCROP_REAL_DATA.
simulation: $(VENV)/installed
	python -m benchmarks.simulation

# The figures of docs/carbon.md; resumes where it stopped.
carbon: $(VENV)/installed
	python -m benchmarks.carbon

# The figures of docs/audit.md; resumes where it stopped. Trains in a clone of the last commit: commit first.
audit: $(VENV)/installed
	python -m benchmarks.audit

# The figures of docs/operations.md: commands that are killed, a service that is; resumes where it stopped.
operations: $(VENV)/installed
	python -m benchmarks.operations

# The figures of docs/scale.md; resumes where it stopped. Measures what it needs of `bench` and `operations`.
scale: $(VENV)/installed
	python -m benchmarks.scale

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Outcrop needs Python 3.11 or newer; set PYTHON=")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) \
		--constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
