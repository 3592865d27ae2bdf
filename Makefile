# Two commands on a fresh machine:  make run  and  make test.  Both install what they need.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

# The demonstration is for this machine only, unless somebody says otherwise.
LOOPBACK := $(if $(SERVER_ADDRESS),,--bind 127.0.0.1,::1)

NPM_QUIETLY := --silent --no-save --no-package-lock --no-audit --no-fund --ignore-scripts

.DEFAULT_GOAL := help
.PHONY: help run test test-only fuzz model abuse chaos lint format format-check types layers risks audit docs browser wheel bench clean system-run system-test

help: ## show the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/.run system-run .local/env ## serve the demo application on http://localhost:8080
	@exec $(BIN)/tornado-realtime run --config app/Caddyfile --envfile .local/env $(LOOPBACK)

test: $(VENV)/.test system-test lint test-only ## install what the tests need, lint, and run every test

test-only: $(VENV)/.test
	$(BIN)/python -m pytest

fuzz: $(VENV)/.fuzz ## look for inputs that break parsers and logins, for FUZZ_SECONDS (300); FUZZ="form roads": some
	@$(BIN)/python -m tests.fuzz

chaos: $(VENV)/.test ## kill, freeze and cut Redis and nodes, and count what it costs; FAULT=NAME for one of them
	$(BIN)/python -m tests.chaos $(FAULT)

model: $(VENV)/.test ## streams and their clients against a model, MODEL_SCALE (25) times as long as make test does
	MODEL_SCALE=$${MODEL_SCALE:-25} $(BIN)/python -m pytest tests/model

abuse: $(VENV)/.test ## attack a running server, ABUSE_SCALE (5) times as hard as make test does
	ABUSE_SCALE=$${ABUSE_SCALE:-5} $(BIN)/python -m pytest tests/abuse

lint: $(VENV)/.test format-check types layers risks ## ruff, mypy --strict, import contract, bandit

format-check: $(VENV)/.test
	$(BIN)/ruff format --check -q tornado_realtime tests tools examples
	$(BIN)/ruff check -q tornado_realtime tests tools examples

format: $(VENV)/.test ## rewrite the code in the house style
	$(BIN)/ruff format -q tornado_realtime tests tools examples
	$(BIN)/ruff check -q --fix tornado_realtime tests tools examples

types: $(VENV)/.test
	$(BIN)/mypy

layers: $(VENV)/.test
	$(BIN)/lint-imports --no-cache

risks: $(VENV)/.test
	$(BIN)/bandit -q -c pyproject.toml -r tornado_realtime examples

audit: $(VENV)/.audit ## ask PyPI's database about known vulnerabilities of what is installed; advisory
	@$(BIN)/python tools/audit.py

docs: $(VENV)/.run ## write the generated parts of the documentation anew
	$(BIN)/python tools/reference.py

browser: $(VENV)/.test ## build realtime.js, the browser's client, of its parts
	$(BIN)/python tools/browser.py

wheel: $(VENV)/.test ## build the wheel into dist/
	$(BIN)/python -m build --outdir dist .

bench: $(VENV)/.test ## measure beside the peers, into docs/benchmarks.md; QUICK=1: under two minutes, into .local
	$(BIN)/python -m tests.benchmarks $(if $(QUICK),--quick) $(BENCH)

clean: ## remove what the other targets made, the demo's secrets included
	rm -rf $(VENV) .local dist build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; set PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[all]'
	@touch $@

$(VENV)/.test: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[all,test]'
	$(BIN)/python tools/node.py npm install $(NPM_QUIETLY) --prefix $(VENV) typescript@5.9.3
	@touch $@ $(VENV)/.run

$(VENV)/.fuzz: pyproject.toml | $(VENV)/.test
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[all,test,fuzz]' \
		|| { echo "make fuzz needs atheris: wheels for Linux on x86-64 only, elsewhere clang to build it" >&2; exit 1; }
	@touch $@

$(VENV)/.audit: pyproject.toml | $(VENV)/.test
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[all,test,audit]'
	@touch $@

.local/env: $(VENV)/.run
	@$(BIN)/python tools/demo_env.py $@

system-run:
	@sh tools/system_packages.sh run

system-test:
	@sh tools/system_packages.sh test
