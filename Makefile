# Everything runs in .venv, which is made here from the locks in requirements: what was tested, by hash.

PYTHON ?= python3
VENV := .venv
LOWEST := .venv-lowest
BIN := $(VENV)/bin
# tests/conftest.py puts the longest tests first, and keeps those together that share a service.
PARALLEL := --numprocesses 4 --dist loadscope --no-loadscope-reorder
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# pip knows no hash of a directory, so the project itself comes in a step of its own.
INSTALL = $(PIP) --require-hashes --requirement requirements/$(1).txt && $(PIP) --no-deps --editable .
COMPILE := $(BIN)/uv pip compile --universal --python-version 3.11 --no-header --no-annotate --quiet
LOCKED := --constraint constraints.txt --generate-hashes

.DEFAULT_GOAL := help
.PHONY: help serve train test coverage lowest lint docs format check bench lock clean

help: ## Show this help
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

serve: $(VENV)/.serve ## Start the service with the starter model on http://127.0.0.1:8000
	$(BIN)/glyph serve

train: $(VENV)/.train ## Train and publish a version: make train ARGS="--recipe softmax --data digits --model digits"
	$(BIN)/glyph train $(or $(ARGS),--recipe compact)

test: $(VENV)/.dev ## Run all tests; more at a time than there are cores, since many of them wait
	$(BIN)/python -m pytest $(PARALLEL) $(ARGS)

lint: $(VENV)/.dev ## Check format, style, types and import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	cd client && ../$(BIN)/lint-imports
	$(BIN)/typos
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

docs: $(VENV)/.dev ## Build the documents as a site in site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

format: $(VENV)/.dev ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

check: lint test ## Everything that CI checks

bench: $(VENV)/.dev ## Measure speed and costs beside the floor, the runtime alone and a naive service
	$(BIN)/python -m tests.benchmarks $(ARGS)

lock: $(VENV)/.dev ## Make constraints.txt and the locks anew from the two pyproject.toml
	$(COMPILE) pyproject.toml client/pyproject.toml --all-extras --upgrade --output-file constraints.txt
	$(COMPILE) pyproject.toml $(LOCKED) --output-file requirements/serve.txt
	$(COMPILE) pyproject.toml $(LOCKED) --extra train --output-file requirements/train.txt
	$(COMPILE) pyproject.toml $(LOCKED) --extra train --extra dev --output-file requirements/dev.txt

lowest: $(VENV)/.dev ## Run the unit tests on the lowest versions that pyproject.toml allows
	$(COMPILE) pyproject.toml --extra train --extra dev --resolution lowest-direct --output-file $(LOWEST).txt
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(LOWEST)
	$(BIN)/uv pip install --quiet --python $(LOWEST) --requirement $(LOWEST).txt
	$(BIN)/uv pip install --quiet --python $(LOWEST) --no-deps --editable .
	$(LOWEST)/bin/python -m pytest $(PARALLEL) tests/unit client/tests $(ARGS)

coverage: $(VENV)/.dev ## Run the unit and integration tests, and check how much of the code they reach
	$(BIN)/python -m pytest $(PARALLEL) --cov tests/unit tests/integration client/tests $(ARGS)

clean: ## Remove the virtual environment
	rm -rf $(VENV) $(LOWEST) $(LOWEST).txt

# What is installed only ever grows: the serving packages, then those for training, then the checkers.
$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	  { echo "Python 3.11 to 3.13 is needed; name one: make PYTHON=python3.12 ..."; exit 1; }
	@echo "making $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.serve: $(VENV)/.python pyproject.toml requirements/serve.txt
	@echo "installing what serving needs"
	@$(call INSTALL,serve)
	@touch $@

$(VENV)/.train: $(VENV)/.serve requirements/train.txt
	@echo "installing what training needs (TensorFlow is large)"
	@$(call INSTALL,train)
	@touch $@

$(VENV)/.dev: $(VENV)/.train requirements/dev.txt
	@echo "installing what the tests need"
	@$(call INSTALL,dev)
	@touch $@
