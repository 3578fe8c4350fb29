# make help       lists the targets. Everything runs in .venv, which `setup` makes once.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.ready

# Real data sets for tests, where a checkout has them beside it. Tests that need them skip without.
BEZOAR_DATA ?= $(wildcard ../shared/data)
ifneq ($(BEZOAR_DATA),)
export BEZOAR_DATA := $(abspath $(BEZOAR_DATA))
endif

.DEFAULT_GOAL := help
.PHONY: help setup demo test effects lint types docs bench check clean

help: ## show this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "%-10s %s\n", $$1, $$2}'

setup: $(STAMP) ## make .venv with everything

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	  || { echo "Bezoar needs Python 3.11 to 3.13. Name one: make setup PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: setup ## the whole story on 5,000 handwritten digits, with a report
	$(BIN)/bezoar demo

test: setup ## all tests but the heavy ones
	$(BIN)/pytest

effects: setup ## the heavy trials of attacks and detectors
	$(BIN)/pytest -m effects

lint: setup ## style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup ## strict types
	$(BIN)/mypy

docs: setup ## build the site in site/, and fail where a generated page is out of date
	$(BIN)/python docs/generate.py --check
	$(BIN)/mkdocs build --strict --quiet

bench: setup ## measure what is not measured yet; fails where a goal is lost
	$(BIN)/python -m benchmarks

check: lint types test docs ## everything that CI checks

clean: ## remove what the targets made, .venv included
	rm -rf .venv site dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
