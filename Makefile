# Everything a newcomer needs: `make quickstart` and `make test`. Both set up what they need, once.

VENV := .venv
PYTHON := $(VENV)/bin/python
UV = $$(python3 scripts/get_uv.py)

.PHONY: help quickstart install install-torch test test-torch test-catboost test-fast check lint types contracts docs format chaos clean

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | expand -t 16

quickstart: $(VENV)/.core ## Train, register, deploy, serve, watch and retrain a real model
	@$(PYTHON) -m modelyard.quickstart $(QUICKSTART)

install: $(VENV)/.dev ## Set up .venv with everything that development needs

install-torch: $(VENV)/.core ## Add the CPU build of torch (image classification then trains a convolutional network)
	@sh scripts/install_torch.sh $(PYTHON)

test: $(VENV)/.dev ## Run all tests
	@$(PYTHON) -m pytest -n 2 --dist loadfile tests

test-torch: $(VENV)/.dev ## Run the tests of what the torch extra adds, in an environment of their own
	@UV_PROJECT_ENVIRONMENT=.venv-torch $(UV) sync --quiet --frozen --inexact
	@sh scripts/install_torch.sh .venv-torch/bin/python
	@.venv-torch/bin/python -m pytest -q tests/unit/algorithms/test_cnn.py tests/contract/compilation/test_torch.py

test-catboost: $(VENV)/.dev ## Run the tests of the catboost extra, in an environment of their own
	@UV_PROJECT_ENVIRONMENT=.venv-catboost $(UV) sync --quiet --frozen --extra catboost
	@.venv-catboost/bin/python -m pytest -q tests/contract/compilation/test_catboost.py

test-fast: $(VENV)/.dev ## Run the tests that need no server and no seconds
	@$(PYTHON) -m pytest -q -m "not slow" tests/unit tests/api tests/architecture

check: lint types contracts docs test ## What CI runs

lint: $(VENV)/.dev
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .

types: $(VENV)/.dev
	@$(VENV)/bin/mypy

contracts: $(VENV)/.dev
	@$(VENV)/bin/lint-imports

docs: $(VENV)/.dev ## Check that the docs name every error, setting and command, and that their links hold
	@$(PYTHON) -m pytest -q tests/architecture

format: $(VENV)/.dev ## Format the code
	@$(VENV)/bin/ruff check --fix-only -q .
	@$(VENV)/bin/ruff format .

chaos: $(VENV)/.dev ## Kill control, gateway, workers and jobs at random, 200 times, and look for lies and losses
	@$(PYTHON) scripts/chaos.py --kills 200

clean: ## Remove everything that make has built
	@rm -rf $(VENV) .venv-torch .venv-catboost .uv build dist

# A stamp is written only after everything is in place, so an interrupted run is simply done again.
$(VENV)/.core: pyproject.toml uv.lock
	@$(UV) sync --quiet --frozen --no-dev --inexact
	@touch $@

$(VENV)/.dev: pyproject.toml uv.lock
	@$(UV) sync --quiet --frozen
	@touch $@ $(VENV)/.core
