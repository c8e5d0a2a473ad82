# Two commands do everything on a fresh machine with Python >= 3.10 and git:
#
#     make demo    fetch the pins, apply the SDAA port, show the diff
#     make test    the whole suite
#
# Both make their own .venv, with the python3 that is found or the one given:
#
#     make test PYTHON=python3.12 VENV=.venv-3.12

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
TORCH  := $(VENV)/.installed-torch

OLD_PYTHON := "porter needs Python 3.10 or newer, and $(PYTHON) is " + sys.version.split()[0] + \
	": give another, as in make demo PYTHON=python3.12"

.PHONY: demo test test-fast lint bench docs clean

$(STAMP): pyproject.toml
	@echo "porter: setting up $(VENV)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and $(OLD_PYTHON))'
	@git --version >/dev/null || { echo "porter needs git: install it, then run make again" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	@$(BIN)/python -m pip install --quiet --editable . --group test --group lint --group bench
	@touch $@

$(TORCH): $(STAMP)
	@echo "porter: adding torch, for the tests that run ported code"
	@$(BIN)/python -m pip install --quiet --group torch
	@touch $@

demo: $(STAMP)
	@sh docs/demo.sh $(BIN)/porter

test: $(TORCH) lint
	@$(BIN)/python -m pytest -n auto

test-fast: $(STAMP)
	@$(BIN)/python -m pytest -n auto -m "not torch and not upstream and not slow"

lint: $(STAMP)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: $(STAMP)
	@$(BIN)/python -m tests.benchmarks

docs: $(STAMP)
	@$(BIN)/python docs/generate.py

clean:
	rm -rf $(VENV) vendor build dist .pytest_cache .mypy_cache .ruff_cache
