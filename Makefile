# Kweek: `make demo` and `make test` work on a machine with Python 3.11 or 3.12 and make, nothing else.

SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.kweek-setup
PIP := $(BIN)/python -m pip --disable-pip-version-check
GOOD_PYTHON := import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))
# The first Python on the path that fits; `make PYTHON=/path/to/python` overrides.
PYTHON ?= $(shell for p in python3 python3.12 python3.11; do \
	$$p -c '$(GOOD_PYTHON)' 2>/dev/null && { echo $$p; exit; }; done; echo python3)
UV ?= uv
WORKERS ?= 2

.PHONY: help setup demo test check format slow bench crash constraints clean
.DEFAULT_GOAL := help

help: ## what this file can do
	@sed -n 's/^\([a-z]*\):.*## /  make \1	/p' Makefile

setup: $(STAMP) ## make .venv with every pinned library and kweek itself

$(STAMP): constraints.txt pyproject.toml
	@$(PYTHON) -c '$(GOOD_PYTHON)' 2>/dev/null || { \
	  echo "Kweek needs Python 3.11 or 3.12, and '$(PYTHON)' is: $$($(PYTHON) --version 2>&1 | head -n 1)." \
	       "Install one of them, or name it: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(BIN)/python -c '$(GOOD_PYTHON)' 2>/dev/null || $(PYTHON) -m venv --clear $(VENV) || { \
	  echo "$(PYTHON) cannot make a virtual environment here. On Debian or Ubuntu install python3-venv," \
	       "then run make again." >&2; exit 1; }
	@echo "Installing the pinned libraries into $(VENV) (about a minute the first time) ..."
	@$(PIP) install -qq --require-hashes -r constraints.txt
	@$(PIP) install -qq --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup ## run a whole batch on the simulated plant; leaves the record in demo-out/
	@$(BIN)/kweek demo

test: check ## check, then every test but the slow ones
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

check: setup ## format, lint, types, import contracts
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/basedpyright --pythonpath $(BIN)/python
	@$(BIN)/lint-imports --no-cache

format: setup ## put the code in the house's format
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

slow: setup ## the tests that take minutes
	@$(BIN)/python -m pytest -m slow --timeout 0 -s

bench: setup ## measure, beside a peer and the bare floor
	@$(BIN)/python -m tests.benchmarks.steps
	@$(BIN)/python -m tests.benchmarks.length
	@$(BIN)/python -m tests.benchmarks.store

crash: setup ## stop the engine at every commit and device call, and kill real processes
	@$(BIN)/python -m tests.benchmarks.crash
	@$(BIN)/python -m tests.kill.kills --kills 25 --recipe cart-autologous
	@$(BIN)/python -m tests.kill.kills --kills 25 --recipe kidney-organoid
	@$(BIN)/python -m tests.kill.kills --kills 10 --recipe cart-autologous --postgresql

constraints: ## resolve pyproject.toml anew into constraints.txt (needs uv)
	@{ sed -n '/^[^#]/q;p' constraints.txt; \
	  UV_PYTHON_DOWNLOADS=never $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header --no-annotate --all-extras --group build --upgrade pyproject.toml; \
	} > constraints.new
	@mv constraints.new constraints.txt

clean: ## remove .venv, caches and what the demo left
	rm -rf $(VENV) demo-out out build dist .pytest_cache .hypothesis .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
