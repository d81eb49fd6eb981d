# Two commands matter: `make demo` and `make test`. Both set everything up first.
# PYTHON chooses the interpreter that .venv is made from: make setup PYTHON=python3.12

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/clinical-lakehouse
# What some tests compare with and only some machines can have: one target each, which gets it once into
# $(CACHE), or says why not. A target that fails is no error of `peers`: its tests are skipped and named.
PEERS := minio java browser engine dicom
UNPROVEN := .cache/unproven
REPORT := -rs

# The last commit of the upstream project; it is not released under a tag that the module proxy has.
MINIO := github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c

export UV_PYTHON_DOWNLOADS := never
# Python keeps what it compiled: without that each process that imports Airflow takes two seconds longer.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo test stack-tests long-tests fast check fix bench lock peers $(PEERS) up down

help: ## show what there is
	@sed -n 's/^\([a-z]*\):.*## /\1 /p' $(MAKEFILE_LIST) \
	  | while read -r name about; do printf '%-6s %s\n' "$$name" "$$about"; done

setup: $(READY) ## build .venv from the lock (at once when nothing has changed)
	@:

$(READY): requirements.lock pyproject.toml
	@[ -x $(BIN)/python ] || $(MAKE) $(BIN)/python
	@echo "installing what requirements.lock names (the first time this takes a while)"
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.lock > .venv/uv.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  --require-hashes --no-deps --requirement .venv/uv.lock
	@index="$${PIP_INDEX_URL:-$$($(BIN)/python -m pip config get global.index-url 2>/dev/null || true)}"; \
	  [ -z "$$index" ] || export UV_DEFAULT_INDEX="$${UV_DEFAULT_INDEX:-$$index}"; \
	  $(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || { \
	  echo "python 3.11, 3.12 or 3.13 is needed; $(PYTHON) is $$($(PYTHON) --version 2>&1 || true)"; \
	  echo "hint: make setup PYTHON=/path/to/python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) comes without the venv module"; \
	  echo "hint: install it (Debian and Ubuntu call the package python3-venv)"; exit 1; }
	@$(PYTHON) -m venv --clear .venv

demo: setup ## start the stack, run the pipelines in Airflow on a sample, show the results
	@$(BIN)/lakehouse demo

test: setup ## run every check and every test, and say what was not proven; with CI=true `peers` comes first
	@if [ "$${CI:-}" = true ]; then $(MAKE) peers; fi
	@mkdir -p $(dir $(UNPROVEN)) && : > $(UNPROVEN)
	@$(MAKE) --jobs 2 --output-sync check fast REPORT="--unproven=$(UNPROVEN)"
	@$(MAKE) --jobs 2 --output-sync stack-tests long-tests
	@if [ -s $(UNPROVEN) ]; then echo "what was not proven here, by the number of tests that were skipped:"; \
	  sort $(UNPROVEN) | uniq -c | sort -rn; else echo "nothing was skipped"; fi

# Side by side: the stack's tests wait most of their time, and nobody else may start a stack meanwhile. Of the
# others some wait for servers and for processes that race, so that one more than there are cores are at work.
stack-tests: setup
	@$(BIN)/python -m pytest tests/stack -m "stack or peer or long" --unproven=$(UNPROVEN)

long-tests: setup
	@workers=$$(($$(getconf _NPROCESSORS_ONLN) + 1)); \
	$(BIN)/python -m pytest --numprocesses $$workers --dist loadgroup --ignore tests/stack -m "stack or peer or long" \
	  --unproven=$(UNPROVEN)

fast: setup ## run the quick tests: no server, no kill, no race, none above half a second of CPU
	@$(BIN)/python -m pytest --numprocesses auto --dist loadfile --ignore tests/test_laws.py -m "not stack and not peer and not long" $(REPORT)

check: setup ## lint, format, types, import directions, laws
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest tests/test_laws.py

fix: setup ## let the linter repair what it can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: setup ## measure (docs/benchmarks.md)
	@$(BIN)/python -m tests.bench

lock: setup ## write requirements.lock anew from pyproject.toml; what it holds is kept where it still fits
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate --no-header \
	  --all-extras --python-version 3.11 --output-file requirements.lock pyproject.toml

peers: ## get what some tests compare with; what cannot be had is named, and no error
	@for peer in $(PEERS); do \
	  $(MAKE) $$peer || echo "$$peer: could not be had here; the tests that need it will be skipped"; done

minio: ## build the MinIO server with Go, once, outside of this tree
	@if [ -x "$(CACHE)/minio" ]; then echo "minio: $(CACHE)/minio is there"; \
	elif ! command -v go >/dev/null; then echo "minio: not built, Go is not here"; \
	else echo "minio: building $(CACHE)/minio (some minutes, once)"; mkdir -p "$(CACHE)/new"; \
	  CGO_ENABLED=0 GOBIN="$(CACHE)/new" go install -ldflags "-s -w" $(MINIO) 2> "$(CACHE)/minio.log" \
	    || { tail -n 5 "$(CACHE)/minio.log"; exit 1; }; \
	  mv "$(CACHE)/new/minio" "$(CACHE)/minio"; fi

java: ## get the Java programs under tests/peers with Maven, once, outside of this tree
	@for pom in $(wildcard tests/peers/*/pom.xml); do $(SHELL) tests/peers/install "$$pom" "$(CACHE)"; done

browser: ## get what looks at the pages as a person does: Chromium (system-wide), its driver and axe (npm)
	@for package in $(wildcard tests/peers/*/package.json); do $(SHELL) tests/peers/browser/install "$$package" "$(CACHE)"; done

engine: ## get a Docker engine, compose and stand-ins for images, once, outside of this tree but for the engine
	@$(SHELL) tests/peers/engine/install "$(CACHE)"

dicom: ## get what validates DICOM files, once, outside of this tree
	@$(SHELL) tests/peers/dicom3tools/install tests/peers/dicom3tools/requirements.txt "$(CACHE)" $(BIN)/python

up: setup ## start the embedded stack
	@$(BIN)/lakehouse up

down: setup ## stop it; the lake stays
	@$(BIN)/lakehouse down
