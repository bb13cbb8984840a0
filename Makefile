# make demo   twins of all releases, all 26 datasets converted, a look at some samples
# make test   lint, types and all tests
# make test-range   the trainer under the lowest and the newest transformers, Python 3.11 and 3.12
# make check-metrics   our scorers against the reference ones
# make check-exports   exports read back by TRL, LLaMA-Factory, ms-swift and Energon (gigabytes of downloads)
# make test-scale   the same bytes by processes, a Ray cluster and parts, with SCALE_KILLS seeded kills (an hour for 100)
# The first two set up .venv on the first run. PYTHON=python3.12 chooses an interpreter, TORCH another build of torch.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
WORKERS ?= 2
TORCH ?= torch==2.13.0

.PHONY: demo check-dataset test check lint types test-heavy test-scale test-range check-exports gpu-wheels bench check-metrics train-env clean

demo: $(VENV)/train
	$(BIN)/instructify demo --out demo

test: $(VENV)/test lint types
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "not heavy"

check: lint types

lint: $(VENV)/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/test
	$(BIN)/mypy

test-heavy: $(VENV)/test
	$(BIN)/python -m pytest -n $(WORKERS) -m heavy

# Ray in an environment of its own, though it moves no pin; two nodes on this machine.
SCALE_KILLS ?= 100

test-scale: $(VENV)-scale/done
	PYTHONPATH=tests/helpers $(VENV)-scale/bin/python tests/scale/run.py --kills $(SCALE_KILLS) $(VENV)-scale/work

$(VENV)-scale/done: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)-scale
	$(VENV)-scale/bin/python -m pip --quiet --disable-pip-version-check install -c constraints.txt -e ".[ray]"
	touch $@

# An environment at a time, each removed after its tests; RANGE="lowest" chooses some.
test-range:
	TORCH="$(TORCH)" $(PYTHON) tests/range/run.py $(RANGE)

# Wheels that a GPU machine with torch and transformers, Python 3.12 and no network still needs:
# there, `pip install --no-index --no-deps --target site gpu-wheels/*.whl`, and PYTHONPATH=site:.:train.
gpu-wheels: constraints.txt
	rm -rf $@ && mkdir $@
	$(PYTHON) -m pip --disable-pip-version-check download --quiet --no-deps --only-binary=:all: \
	    --python-version 3.12 --implementation cp $(GPU_PLATFORMS) -d $@ $(shell grep -E "^(msgspec|simplejpeg)==" constraints.txt)
	du -sh $@

GPU_PLATFORMS := $(foreach n,2_28 2_27 2_17,--platform manylinux_$(n)_x86_64) --platform manylinux2014_x86_64

# What a dataset of catalog.yaml lacks: NAME=vsr, RAW=DIR for a raw root in place of the twin.
check-dataset: $(VENV)/test
	$(BIN)/python tests/contributing/check_dataset.py $(NAME) $(if $(RAW),--raw $(RAW))

# Each trainer pins versions that fight the others', so each has an environment of its own.
TRAINERS := energon trl llamafactory swift

check-exports: $(VENV)/test $(TRAINERS:%=.venv-exports/%/ready)
	$(BIN)/python tests/trainers/run.py .venv-exports

.venv-exports/%/ready: tests/trainers/%.txt
	$(PYTHON) -m venv .venv-exports/$*
	.venv-exports/$*/bin/python -m pip --quiet install --upgrade pip
	.venv-exports/$*/bin/python -m pip --quiet install -r $<
	touch $@

bench: $(VENV)/test
	$(BIN)/python benchmarks/run_all.py

# Our scorers against pycocoevalcap (its tokeniser needs java) and scikit-learn, in a venv of their own.
check-metrics: $(VENV)-check/done
	$(VENV)-check/bin/python benchmarks/check_metrics.py

train-env: $(VENV)/train

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip --quiet install --upgrade pip

$(VENV)/base: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) install -c constraints.txt -e .
	touch $@

# Converting and looking at data needs no torch: `pip install .` leaves it out.
$(VENV)/train: $(VENV)/base
	$(PIP) install -c constraints.txt "$(TORCH)" -e ".[train]"
	touch $@

$(VENV)/test: $(VENV)/train
	$(PIP) install -c constraints.txt -e ".[train,lora,test]"
	touch $@

$(VENV)-check/done: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)-check
	$(VENV)-check/bin/python -m pip --quiet --disable-pip-version-check install -c constraints.txt -e ".[check]"
	touch $@

clean:
	rm -rf $(VENV) $(VENV)-check $(VENV)-scale .venv-exports demo
