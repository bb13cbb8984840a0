# make demo   twins of all releases, all 26 datasets converted, a look at some samples
# make test   lint, types and all tests
# Both set up .venv on the first run. PYTHON=python3.12 chooses an interpreter.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
WORKERS ?= 2

.PHONY: demo test check lint types test-heavy bench train-env clean

demo: $(VENV)/base
	$(BIN)/instructify demo --out demo

test: $(VENV)/test lint types
	$(BIN)/python -m pytest -n $(WORKERS) -m "not heavy"

check: lint types

lint: $(VENV)/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/test
	$(BIN)/mypy

test-heavy: $(VENV)/test
	$(BIN)/python -m pytest -n $(WORKERS) -m heavy

bench: $(VENV)/test
	$(BIN)/python benchmarks/run_all.py

# torch is only needed for training; TORCH chooses another build than the pinned one
TORCH ?= torch==2.13.0
train-env: $(VENV)/base
	$(PIP) install -c constraints.txt "$(TORCH)" -e ".[train]"

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip --quiet install --upgrade pip

$(VENV)/base: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) install -c constraints.txt -e .
	touch $@

$(VENV)/test: $(VENV)/base
	$(PIP) install -c constraints.txt -e ".[test]"
	touch $@

clean:
	rm -rf $(VENV) demo
