SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP_LOG := $(VENV)/pip.log
# A virtual environment holds its own path and its Python's version: moved or upgraded, it is stale.
IDENTITY := $(BIN)/python -c 'import sys; print(sys.prefix, *sys.version_info[:2])' 2>/dev/null
STALE := $(if $(wildcard $(STAMP)),$(shell test "$$($(IDENTITY))" = "$$(cat $(STAMP))" || echo yes))

.PHONY: help setup demo test lint types layers slow bench clean

help: ## what each target does
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

ifneq ($(STALE),)
.PHONY: $(STAMP)
endif

$(STAMP): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "autopilot needs Python 3.11 or newer: apt install python3 python3-venv" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "autopilot needs Python 3.11 or newer; $(PYTHON) is older: make PYTHON=python3.12" >&2; exit 1; }
	@$(if $(STALE),echo "$(VENV) was made in another place or by another Python: making it anew")
	@$(PYTHON) -m venv $(if $(STALE),--clear) $(VENV) || { echo "$(VENV) can't be made (see above); if Python's venv module is missing: apt install python3-venv" >&2; exit 1; }
	@echo "installing the Python packages into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]' >$(PIP_LOG) 2>&1 || { \
	  sed -n 's/^ *ERROR: */pip: /p' $(PIP_LOG) | head -1 >&2; \
	  echo "the Python packages can't be installed: is the package index reachable? All of pip's answer is in $(PIP_LOG); then run make again" >&2; exit 1; }
	@$(IDENTITY) >$@

setup: $(STAMP) ## a virtual environment, the Python packages and Prometheus
	@$(BIN)/autopilot sandbox fetch --quiet

demo: setup ## the main job: three canary flights of real traffic, in the terminal
	@$(BIN)/autopilot demo canary

test: setup lint types layers ## everything that must hold
	@$(BIN)/python -m pytest -n auto -m "not slow" -q

lint: $(STAMP) ## ruff: lint and format
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(STAMP) ## mypy, strict
	@$(BIN)/mypy

layers: $(STAMP) ## import-linter
	@$(BIN)/lint-imports --no-cache

slow: setup ## the slow lane: long flights, property tests that search anew
	@AUTOPILOT_HYPOTHESIS=searching $(BIN)/python -m pytest -n auto -m "slow or not envoy" -q

bench: setup ## the benchmarks, with the floor measured in the same run
	@$(BIN)/python -m benchmarks

clean: ## remove all that make has made
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build
