# Two commands do everything on a fresh machine with Python >= 3.10, git and a C++ compiler:
#
#     make demo    fetch the pins, apply the SDAA port, show the diff, prove it by training
#     make test    the whole suite
#
# Both make their own .venv, with the python3 that is found or the one given:
#
#     make test PYTHON=python3.12 VENV=.venv-3.12

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PORTER := $(VENV)/.installed
TOOLS  := $(VENV)/.installed-tools
TORCH  := $(VENV)/.installed-torch
PIP    := $(BIN)/python -m pip install --quiet

OLD_PYTHON := "porter needs Python 3.10 or newer, and $(PYTHON) is " + sys.version.split()[0] + \
	": give another, as in make demo PYTHON=python3.12"
NO_COMPILER := porter trains with operators that it compiles once, and there is no C++ compiler: \
	apt-get install g++, or dnf install gcc-c++; then run make again
NO_HEADERS := "porter trains with operators that it compiles once, and Python.h is not in " + \
	sysconfig.get_path("include") + ": apt-get install python3-dev, or dnf install " + \
	"python3-devel; then run make again"

.PHONY: demo test test-fast lint bench docs matrix clean

$(PORTER): pyproject.toml
	@echo "porter: setting up $(VENV)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and $(OLD_PYTHON))'
	@git --version >/dev/null || { echo "porter needs git: install it, then run make again" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@$(PIP) --upgrade "pip>=25.1"
	@$(PIP) --editable .
	@touch $@

$(TOOLS): $(PORTER)
	@echo "porter: adding what tests, linters and benchmarks need"
	@$(PIP) --group test --group lint --group bench
	@touch $@

$(TORCH): $(PORTER)
	@for name in $${CXX:-g++ c++ clang++}; do command -v $$name && exit; done >/dev/null || \
		{ echo "$(NO_COMPILER)" >&2; exit 1; }
	@$(BIN)/python -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h") and $(NO_HEADERS))'
	@echo "porter: adding torch and what mmdet imports; without an index of CPU wheels this is gigabytes"
	@$(PIP) --group torch
	@touch $@

demo: $(TORCH)
	@sh docs/demo.sh $(BIN)/porter

# PORTER_TEST_ALL: a test that needs torch fails where there is none, and is not skipped.
test: $(TOOLS) $(TORCH) lint
	@PORTER_TEST_ALL=1 $(BIN)/python -m pytest -n auto

test-fast: $(TOOLS)
	@$(BIN)/python -m pytest -n auto -m "not torch and not upstream and not slow"

lint: $(TOOLS)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: $(TOOLS)
	@$(BIN)/python -m tests.benchmarks

docs: $(TOOLS)
	@$(BIN)/python docs/generate.py

# Asks the package index for every release, and downloads those that the cache has not.
matrix: $(TOOLS)
	@$(BIN)/porter matrix --target sdaa --target npu --versions "mmengine>=0.8" \
		--versions "mmcv>=2.0" --versions "mmdet>=3.0" --page docs/matrix.md

clean:
	rm -rf $(VENV) vendor porter-report build dist .pytest_cache .mypy_cache .ruff_cache
