# Two targets do everything on a fresh machine: `make quickstart` and `make test`.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# The first interpreter that is new enough and can make a virtual environment.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.10 python; do \
	"$$p" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null \
	&& { command -v "$$p"; break; }; done)
VENV := .venv
MANAGERS := .managers
MANAGER := $(MANAGERS)/3.0
# Releases that every test run meets; those whose Python is missing here are reported and left out.
TESTED := 1.9 2.10.1
QUICKSTART := .quickstart
# Tests of real managers wait more than they compute, so two cores serve four of them.
WORKERS := 4

# Material prints an advertisement of its successor otherwise; see docs/decisions/0013.
export NO_MKDOCS_2_WARNING := 1

.PHONY: help quickstart docs unit test test-managers test-endings test-kills managers check format bench clean

help:  ## show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

python-found:
	@test -n "$(PYTHON)" || { echo 'No Python 3.10 or newer with venv was found on PATH; pass one with make PYTHON=/path/to/python3.' >&2; exit 1; }
.PHONY: python-found

$(VENV)/.installed: pyproject.toml | python-found
	"$(PYTHON)" -m venv --clear $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -e '.[dev,docs]'
	touch $@

$(MANAGER)/.installed: tools/managers.py $(VENV)/.installed
	$(VENV)/bin/python -m tools.managers 3.0
	touch $@

$(QUICKSTART)/.installed: pyproject.toml | python-found
	@echo 'installing nnicli and the NNI 3.0 manager, node.js included, into $(QUICKSTART); this takes about a minute ...' >&2
	@"$(PYTHON)" -m venv --clear $(QUICKSTART)
	@$(QUICKSTART)/bin/python -m pip install --quiet --disable-pip-version-check -e '.[nni]'
	touch $@

quickstart: $(QUICKSTART)/.installed  ## set up all, then run a real experiment on NNI 3.0
	@echo 'running ten short trials of examples/quickstart/config.yml, which takes about half a minute ...' >&2
	$(QUICKSTART)/bin/nnicli run examples/quickstart/config.yml

check: $(VENV)/.installed  ## lint, format, types, layers
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-cache

docs: $(VENV)/.installed  ## build the documentation into build/site; any warning fails it
	$(VENV)/bin/mkdocs --quiet build --strict

unit: $(VENV)/.installed  ## run the fast tests, without a real manager
	$(VENV)/bin/python -m pytest -n $(WORKERS) --dist worksteal -m "not slow and not real" tests/unit tests/meta

test: check docs $(MANAGER)/.installed  ## set up all, then check and run every test, on three managers
	$(VENV)/bin/python -m tools.managers --where-possible $(TESTED)
	NNICLI_TEST_NNI="$$($(VENV)/bin/python -m tools.managers --list 3.0 $(TESTED))" \
		$(VENV)/bin/python -m pytest -n $(WORKERS) --dist worksteal -m "not matrix"

managers: $(VENV)/.installed  ## build an environment for every release of NNI
	$(VENV)/bin/python -m tools.managers

test-managers: managers  ## run the contract on every release of NNI, and trials over SSH
	NNICLI_TEST_REMOTE=1 NNICLI_TEST_NNI="$$($(VENV)/bin/python -m tools.managers --list)" \
		$(VENV)/bin/python -m pytest -n $(WORKERS) --dist worksteal -m "real and not matrix"

test-endings: managers  ## run every way in which an experiment ends on every release of NNI
	NNICLI_TEST_NNI="$$($(VENV)/bin/python -m tools.managers --list)" \
		$(VENV)/bin/python -m pytest -n $(WORKERS) --dist worksteal tests/contract/test_endings.py

test-kills: $(MANAGER)/.installed  ## kill nnicli at a hundred moments on 3.0 and 2.10.1, and reconcile
	$(VENV)/bin/python -m tools.managers --where-possible 2.10.1
	NNICLI_TEST_KILL_MOMENTS=100 NNICLI_TEST_NNI="$$($(VENV)/bin/python -m tools.managers --list 3.0 2.10.1)" \
		$(VENV)/bin/python -m pytest -n 2 -s -m real tests/kills

format: $(VENV)/.installed  ## put the code into shape
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

bench: $(VENV)/.installed $(MANAGER)/.installed  ## measure on the real 3.0 manager
	$(VENV)/bin/python -m benchmarks --nni "$(CURDIR)/$(MANAGER)"

clean:  ## remove what the targets made
	rm -rf $(VENV) $(MANAGERS) $(QUICKSTART) build dist
