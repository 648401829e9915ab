# Set-up, demo, tests. Needs Python 3.11 or 3.12, git, a C++ compiler, and a package registry for pip.
#
#   make demo      set up, run the pipeline on the built-in data, say where the report is
#   make test      set up, fast tests          make test-slow   the others    make test-all   both
#   make lint      ruff, mypy --strict, deps of dvc.yaml
#   make clean     remove artifacts and unfinished work (DVC's cache, data and .venv stay)

SHELL := /bin/bash
VENV := .venv
STAMP := $(VENV)/.installed
PYTHON ?= $(shell for candidate in python3.11 python3.12 python3; do \
	"$$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' 2>/dev/null \
	&& command -v "$$candidate" && break; done)

# Stages run as `python -m stages.NAME`: that python must be the one of .venv.
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export VIRTUAL_ENV := $(CURDIR)/$(VENV)
export DVC_NO_ANALYTICS := 1
PYTEST_ARGS ?=

.PHONY: setup demo test test-slow test-all lint clean

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@[ -n "$(PYTHON)" ] || { echo "error: no Python 3.11 or 3.12 found; install one, or name it: make PYTHON=/path/to/python3.11"; exit 1; }
	@command -v git >/dev/null || { echo "error: git is missing; DVC needs it"; exit 1; }
	@command -v c++ >/dev/null || { echo "error: no C++ compiler found; pydensecrf2 is built from source (Debian: apt install g++)"; exit 1; }
	@[ -x $(VENV)/bin/python ] || { echo "== creating $(VENV) with $$($(PYTHON) --version)"; \
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "error: $(PYTHON) cannot make a virtual environment (Debian: apt install python3-venv)"; exit 1; }; }
	@echo "== installing from pyproject.toml under constraints.txt (once; 3 to 10 minutes)"
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@$(VENV)/bin/python -m pip check
	@touch $@
	@echo "== set up; for your own commands: source $(VENV)/bin/activate"

demo: setup
	@echo "== params.yaml for the built-in data"
	@backdrop init --preset demo
	@echo "== dvc repro: running what is not up to date (all of it: 15 to 40 minutes on 2 cores)"
	@dvc repro
	@python -m pipeline.summary

test: setup
	@echo "== fast tests"
	@OMP_NUM_THREADS=1 python -m pytest -m "not slow" -n logical --maxprocesses 4 --dist loadfile $(PYTEST_ARGS)

test-slow: setup
	@echo "== slow tests, one after the other: they measure time, and use all cores"
	@python -m pytest -m slow $(PYTEST_ARGS)

test-all: test test-slow

lint: setup
	@echo "== ruff"
	@ruff check .
	@ruff format --check .
	@echo "== mypy --strict"
	@mypy
	@echo "== deps in dvc.yaml"
	@python -m pipeline.dvc_deps --check

clean:
	rm -rf artifacts .backdrop .pytest_cache .mypy_cache .ruff_cache .hypothesis
