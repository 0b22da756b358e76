# Everything runs in .venv, which is made here from the constraints file: what was tested.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# tests/conftest.py puts the longest tests first, and groups those that share a service.
PARALLEL := --numprocesses 4 --dist loadgroup --no-loadscope-reorder
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.DEFAULT_GOAL := help
.PHONY: help serve train test lint format check bench lock clean

help: ## Show this help
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

serve: $(VENV)/.serve ## Start the service with the starter model on http://127.0.0.1:8000
	$(BIN)/glyph serve

train: $(VENV)/.train ## Train and publish a version: make train ARGS="--recipe softmax --data digits"
	$(BIN)/glyph train $(or $(ARGS),--recipe compact)

test: $(VENV)/.dev ## Run all tests; more at a time than there are cores, since many of them wait
	$(BIN)/python -m pytest $(PARALLEL) $(ARGS)

lint: $(VENV)/.dev ## Check format, style, types and import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	cd client && ../$(BIN)/lint-imports

format: $(VENV)/.dev ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

check: lint test ## Everything that CI checks

bench: $(VENV)/.dev ## Measure speed and costs beside the floor, the runtime alone and a naive service
	$(BIN)/python -m tests.benchmarks $(ARGS)

lock: $(VENV)/.dev ## Make constraints.txt anew from the two pyproject.toml
	$(BIN)/uv pip compile pyproject.toml client/pyproject.toml --all-extras --universal --python-version 3.11 \
	  --upgrade --no-header --no-annotate --quiet --output-file constraints.txt

clean: ## Remove the virtual environment
	rm -rf $(VENV)

# What is installed only ever grows: the serving packages, then those for training, then the checkers.
$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	  { echo "Python 3.11 to 3.13 is needed; name one: make PYTHON=python3.12 ..."; exit 1; }
	@echo "making $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.serve: $(VENV)/.python pyproject.toml constraints.txt
	@echo "installing what serving needs"
	@$(INSTALL) --editable .
	@touch $@

$(VENV)/.train: $(VENV)/.serve
	@echo "installing what training needs (TensorFlow is large)"
	@$(INSTALL) --editable '.[train]'
	@touch $@

$(VENV)/.dev: $(VENV)/.train
	@echo "installing what the tests need"
	@$(INSTALL) --editable '.[train,dev]'
	@touch $@
