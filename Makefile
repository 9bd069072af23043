# Everything a newcomer needs: `make quickstart` and `make test`. Both set up what they need, once.

VENV := .venv
PYTHON := $(VENV)/bin/python
UV = $$(python3 scripts/get_uv.py)

# Packages are compiled to bytecode when they are installed: jobs and replicas see them read-only, and could never keep what
# they have compiled.
export UV_COMPILE_BYTECODE := 1

# $(call tested,OPTIONS,PATHS): what failed while other tests kept the machine busy is run once more by itself, and both
# outcomes stay on the screen. A test that needs this has a fault; a change that breaks something fails twice.
tested = $(PYTHON) -m pytest -n 3 --dist loadfile $(1) $(2) || { echo "What failed, once more and by itself:"; \
	$(PYTHON) -m pytest -q -n 0 --maxfail 1 --last-failed --last-failed-no-failures none $(2); }

# Suites with a target of their own.
SLOW := chaos containers gpu sagemaker automl spark e2e/stories

.PHONY: help quickstart install install-torch test test-torch test-tensorflow test-gpu test-catboost test-kserve test-sagemaker test-mlflow test-ray test-spark test-containers test-chaos \
	test-automl test-stories test-fast check lint types contracts docs format chaos loop soak fuzz bench-serving bench-batch bench-automl bench-forecasting clean

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | expand -t 16

quickstart: $(VENV)/.core ## Train, register, deploy, serve, watch and retrain a real model
	@$(PYTHON) -m modelyard.quickstart $(QUICKSTART)

install: $(VENV)/.dev ## Set up .venv with everything that development needs

install-torch: $(VENV)/.core ## Add the CPU build of torch (image classification then trains a convolutional network)
	@sh scripts/install_torch.sh $(PYTHON)

test: $(VENV)/.dev ## Run all tests but the suites that have a target of their own
	@$(call tested,--durations 25,tests $(addprefix --ignore tests/,$(SLOW)))

test-stories: $(VENV)/.dev ## Play long stories on whole platforms: tutorials, three processes, PostgreSQL and S3, drift
	@$(call tested,-q,tests/e2e/stories)

test-chaos: $(VENV)/.dev ## Kill, disturb and load everything at random, and look for lies and losses
	@$(PYTHON) -m pytest -q -n 2 tests/chaos

test-torch: $(VENV)/.dev ## Run the tests of what the torch extra adds, in an environment of their own
	@UV_PROJECT_ENVIRONMENT=.venv-torch $(UV) sync --quiet --frozen --inexact
	@sh scripts/install_torch.sh .venv-torch/bin/python
	@.venv-torch/bin/python -m pytest -q tests/unit/algorithms/test_cnn.py tests/unit/runtimes/test_torch_programs.py \
		tests/contract/compilation/test_torch.py tests/e2e/test_torch_gang.py tests/e2e/test_torch_sagemaker.py \
		tests/unit/sdk/test_watching_torch.py

test-tensorflow: $(VENV)/.dev ## Run the tests of TensorFlow and Keras models, in an environment of their own
	@UV_PROJECT_ENVIRONMENT=.venv-tensorflow $(UV) sync --quiet --frozen --inexact
	@$(UV) pip install --quiet --python .venv-tensorflow/bin/python tensorflow-cpu
	@.venv-tensorflow/bin/python -m pytest -q -n 0 tests/unit/runtimes/test_tensorflow_programs.py

test-gpu: ## Run the tests on a real NVIDIA card, with the python3 at hand: it needs Modelyard, pytest and a torch with CUDA
	@python3 -m pytest -q -n 0 --noconftest tests/gpu

test-catboost: $(VENV)/.dev ## Run the tests of the catboost extra, in an environment of their own
	@UV_PROJECT_ENVIRONMENT=.venv-catboost $(UV) sync --quiet --frozen --extra catboost
	@.venv-catboost/bin/python -m pytest -q -n 0 tests/contract/compilation/test_catboost.py \
		tests/contract/compilation/test_catboost_categories.py tests/unit/algorithms/contract/test_catboost.py

test-sagemaker: $(VENV)/.dev ## Run the tests with SageMaker's SDK as a client, versions 2 and 3, in environments of their own
	@$(UV) venv --quiet --allow-existing --python $(PYTHON) .venv-sagemaker
	@$(UV) pip install --quiet --python .venv-sagemaker/bin/python "sagemaker<3"
	@$(UV) venv --quiet --allow-existing --python $(PYTHON) .venv-sagemaker3
	@$(UV) pip install --quiet --python .venv-sagemaker3/bin/python "sagemaker-train>=1.27,<2" "sagemaker-core>=2.27,<3"
	@$(PYTHON) -m pytest -q -n 0 tests/sagemaker

test-kserve: $(VENV)/.dev ## Run the tests with KServe's client, in an environment of their own
	@UV_PROJECT_ENVIRONMENT=.venv-kserve $(UV) sync --quiet --frozen --inexact
	@$(UV) pip install --quiet --python .venv-kserve/bin/python "kserve>=0.15"
	@.venv-kserve/bin/python -m pytest -q -n 0 tests/compat/test_kserve.py

test-mlflow: $(VENV)/.dev ## Run the tests with MLflow's client and server, in an environment of their own
	@UV_PROJECT_ENVIRONMENT=.venv-mlflow $(UV) sync --quiet --frozen --extra mlflow
	@.venv-mlflow/bin/python -m pytest -q -n 0 -W default tests/compat/test_mlflow*.py

test-ray: $(VENV)/.dev ## Run the tests on Ray clusters, in an environment of their own; one of three nodes needs root
	@UV_PROJECT_ENVIRONMENT=.venv-ray $(UV) sync --quiet --frozen --inexact --extra ray
	@sh scripts/install_torch.sh .venv-ray/bin/python
	@.venv-ray/bin/python -m pytest -q -n 0 tests/cluster

test-spark: $(VENV)/.dev ## Run the tests of Spark jobs; fetches Spark, needs Java 17 or newer
	@$(PYTHON) -m pytest -q -n 0 tests/spark

test-containers: $(VENV)/.dev ## Run the tests of containers, on a Podman that Debian has (installed if it is missing)
	@sh scripts/install_podman.sh
	@$(PYTHON) -m pytest -q -n 2 --dist loadfile tests/containers

test-automl: $(VENV)/.dev ## Run AutoML on a whole platform: the tutorial's commands, kill -9 and resume, deploy and predict
	@$(PYTHON) -m pytest -q -n 0 tests/automl

test-fast: $(VENV)/.dev ## Run the tests that need no server and no seconds
	@$(PYTHON) -m pytest -q -m "not slow" tests/unit tests/api tests/architecture

check: lint types contracts test ## What CI runs

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

loop: $(VENV)/.dev ## Scripted drift and sabotaged retrainings, with nobody at hand: it recovers, and bad versions are stopped
	@$(PYTHON) scripts/loop.py $(LOOP)

soak: $(VENV)/.dev ## Ten minutes of load on a gateway whose workers are killed and replaced: no answer lost or mixed
	@$(PYTHON) scripts/soak.py $(or $(MINUTES),10)

fuzz: $(VENV)/.dev ## Any bytes whatever against every parser of the data plane, a minute each
	@$(UV) sync --quiet --frozen --inexact --group fuzz
	@$(PYTHON) scripts/fuzz.py --seconds $(or $(SECONDS),60) $(TARGETS)

bench-serving: $(VENV)/.dev ## Measure the data plane beside other model servers (PEERS=all WORKS=W1,W2 SECONDS=2 REPETITIONS=3)
	@command -v wrk > /dev/null || apt-get install -y -qq wrk || { apt-get update -qq && apt-get install -y -qq wrk; }
	@$(PYTHON) -m benchmarks.serving $(if $(PEERS),--peers $(PEERS)) $(if $(WORKS),--works $(WORKS)) \
		$(if $(SECONDS),--seconds $(SECONDS)) $(if $(REPETITIONS),--repetitions $(REPETITIONS)) \
		$(if $(OUTPUT),--output $(OUTPUT))

bench-batch: $(VENV)/.dev ## Measure batch jobs beside a bare loop over the same predictor (ROWS=500000 ROUNDS=5)
	@$(PYTHON) benchmarks/batch.py $(or $(ROWS),500000) $(or $(ROUNDS),5)

bench-automl: $(VENV)/.dev ## Measure AutoML beside FLAML, AutoGluon, XGBoost and a random forest on real tables; it goes on where it was (SECONDS=30 SEEDS=1 MINUTES=9 WORKERS=1)
	@UV_PROJECT_ENVIRONMENT=.venv-automl $(UV) sync --quiet --frozen
	@$(UV) pip install --quiet --python .venv-automl/bin/python statsmodels river
	@$(UV) venv --quiet --allow-existing --python $(PYTHON) .venv-autogluon
	@$(UV) pip install --quiet --python .venv-autogluon/bin/python "autogluon.tabular[lightgbm,xgboost]"
	@.venv-automl/bin/python -m benchmarks.automl --seconds $(or $(SECONDS),30) --seeds $(or $(SEEDS),1) \
		--minutes $(or $(MINUTES),9) --workers $(or $(WORKERS),1)

bench-forecasting: $(VENV)/.dev ## Measure forecasts of AutoML beside naive ones and exponential smoothing on real series (SECONDS=30 WORKERS=1)
	@UV_PROJECT_ENVIRONMENT=.venv-automl $(UV) sync --quiet --frozen
	@$(UV) pip install --quiet --python .venv-automl/bin/python statsmodels river
	@.venv-automl/bin/python -m benchmarks.forecasting --seconds $(or $(SECONDS),30) --workers $(or $(WORKERS),1)

clean: ## Remove everything that make has built
	@rm -rf $(VENV) $(addprefix .venv-,torch tensorflow catboost kserve sagemaker sagemaker3 mlflow ray automl autogluon) .uv build dist

# A stamp is written only after everything is in place, so an interrupted run is simply done again.
$(VENV)/.core: pyproject.toml uv.lock
	@$(UV) sync --quiet --frozen --no-dev --inexact
	@$(PYTHON) -m compileall -q src
	@touch $@

$(VENV)/.dev: pyproject.toml uv.lock
	@$(UV) sync --quiet --frozen
	@$(PYTHON) -m compileall -q src
	@touch $@ $(VENV)/.core
