# `make` alone lists the targets. Everything runs in .venv, which `make setup` makes and keeps.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

HOST ?= 127.0.0.1
PORT ?= 8080
DATA ?= ./data
# One more than there are processors: tests of real programs wait for them a sixth of the time.
JOBS ?= $(shell expr $$(nproc 2>/dev/null || echo 2) + 1)
FUZZ ?= 3340000
SCALE ?= 1
CAMPAIGN ?=
PYTEST_ARGS ?=

COMMA := ,
BIN := .venv/bin
RUN := .venv/.runtime
DEV := .venv/.development
HELPER := $(BIN)/docker-credential-regcred
PLUGIN := $(BIN)/regcred-kubelet-provider
# The wheels are named by hash; what comes as source is built with tools that were locked too.
INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check
LOCKED := $(INSTALL) --require-hashes --no-build-isolation
# Two days old at least: a release that was taken over is usually withdrawn by then. Extras are
# kept, because pip takes `name[extra]` for unlocked where only `name` stands.
LOCK := uv pip compile -q --universal --python-version 3.11 --upgrade --exclude-newer "2 days" \
	--generate-hashes --no-strip-extras --no-emit-index-url --no-emit-find-links --no-header \
	--no-annotate

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(DEV) $(HELPER) $(PLUGIN) ## Make .venv with everything in it: the service, what nodes run, tests, checks

$(RUN): requirements/build.txt requirements/server.txt pyproject.toml tools/find-python
	@echo "setting up .venv (about half a minute the first time)"
	@python="$$(tools/find-python)"; \
	$(BIN)/python -m pip --version >/dev/null 2>&1 || "$$python" -m venv --clear .venv
	@$(INSTALL) --require-hashes -r requirements/build.txt
	@$(LOCKED) -r requirements/server.txt
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(DEV): $(RUN) requirements/dev.txt
	@$(LOCKED) -r requirements/dev.txt
	@touch $@

$(HELPER) $(PLUGIN): $(wildcard src/regcred/clients/*.py src/regcred/clients/node/*.py) $(RUN)
	@$(BIN)/python -m regcred.clients.assembly $(BIN)

.PHONY: serve
serve: $(RUN) $(HELPER) ## Set up and serve on 127.0.0.1:8080 with ./data (HOST=, PORT=, DATA=)
	@exec $(BIN)/regcred serve --data $(DATA) --host $(HOST) --port $(PORT)

.PHONY: demo
demo: setup test-programs ## Watch the proof: real registries, wrong and right logins, real pulls
	@$(BIN)/python tools/demo.py

.PHONY: test
test: setup test-programs ## Run the tests, system tests and coverage gate included
	@# Every worker reads every test: rewritten ones are kept, whatever the environment says.
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder --cov --cov-report=term:skip-covered $(PYTEST_ARGS)

.PHONY: test-programs
test-programs: ## Get the programs that system tests run (Debian packages, as root)
	@tools/test-programs

.PHONY: lint
lint: setup ## Run every check but the tests: style, types, walls, honest dependencies
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/deptry src

.PHONY: check
check: lint test ## Run everything that a change must pass

.PHONY: format
format: setup ## Format the code and apply the linter's safe fixes
	@$(BIN)/ruff check --fix-only
	@$(BIN)/ruff format

.PHONY: bench
bench: setup test-programs ## Measure speed as ratios in one run: a table and JSON
	@$(BIN)/python tools/bench.py

.PHONY: campaign
campaign: setup ## Try to break it, with counts (SCALE=0.1 CAMPAIGN=f01,f02 alone), then fuzz (FUZZ=)
	@$(BIN)/python tools/campaign.py $(subst $(COMMA), ,$(CAMPAIGN)) --scale $(SCALE)
ifeq ($(CAMPAIGN),)
	@# The fuzzer comes as a wheel for Linux on x86-64 alone.
	@if $(INSTALL) --require-hashes --no-deps --only-binary :all: -r requirements/fuzzing.txt; then \
		$(BIN)/python tools/fuzz.py --executions $(FUZZ); \
	else echo "skipped: the fuzzer cannot be installed here" >&2; test "$${CI:-}" != true; fi
	@REGCRED_HYPOTHESIS_PROFILE=campaign $(BIN)/python -m pytest -n $(JOBS) -m "not system" $(PYTEST_ARGS)
endif

.PHONY: lock
lock: ## Lock the newest dependencies that pyproject.toml allows (needs uv)
	@command -v uv >/dev/null || { echo "make lock needs uv: pipx install uv" >&2; exit 1; }
	@$(LOCK) --group build -o requirements/build.txt
	@$(LOCK) pyproject.toml -o requirements/client.txt
	@$(LOCK) pyproject.toml --extra server --extra postgres --extra aws --extra gcp --extra vault \
		-c requirements/client.txt -o requirements/server.txt
	@$(LOCK) pyproject.toml --extra server --extra postgres --extra aws --extra gcp --extra vault \
		--extra kubernetes --extra otel --group dev \
		-c requirements/server.txt -o requirements/dev.txt
	@$(LOCK) pyproject.toml --extra kubernetes -c requirements/dev.txt -o requirements/kubernetes.txt
	@echo 'atheris<3.1' | $(LOCK) - -o requirements/fuzzing.txt
	@for client in gcore=gcore yotta=yottaml yottactl=yottactl; do \
		echo "$${client#*=}" | $(LOCK) - -o requirements/$${client%%=*}-client.txt; done

.PHONY: clean
clean: ## Remove .venv and what tools leave behind (never ./data)
	@rm -rf .venv build dist .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache \
		.hypothesis .import_linter_cache
	@find src tests tools -name __pycache__ -type d -prune -exec rm -rf {} +
