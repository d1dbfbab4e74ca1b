# `make help` lists the verbs. Everything happens in .venv (and .venv-minimal); a second run is quick.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MINIMAL := .venv-minimal
CORE := quantities numerics theory estimators problems minibatching dynamics perturbations observables training advisor
# bytecode is made of what is imported, which is a tenth of what is installed; an environment that forbids it would
# compile torch anew in each of a hundred processes that tests start
PIP := -q --disable-pip-version-check --no-compile -c constraints.txt
export PIP_CONSTRAINT := $(CURDIR)/constraints.txt
export OMP_NUM_THREADS := 2
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help reference tutorials demo test lint types layers unit minimal docs browser-setup test-slow bench coverage agreement reliability trust gallery clean

help: ## list the verbs
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

demo: $(VENV)/.lab ## install what it needs, run the main job on real digits, say where the page is
	@$(BIN)/thermograd quickstart --out demo
	@echo "Open demo/report.html in a browser."

test: ## everything CI runs: two at a time what needs one processor, then the tests
	@$(MAKE) -j 2 --output-sync --no-print-directory minimal browser-setup types lint layers docs
	@$(MAKE) --no-print-directory unit

lint: $(VENV)/.dev ## formatting and style
	@$(BIN)/ruff format --check
	@$(BIN)/ruff check

types: $(VENV)/.dev ## mypy, strict
	@$(BIN)/mypy

layers: $(VENV)/.dev ## one direction of imports, no torch in analysis, a small core
	@$(BIN)/lint-imports --no-cache

unit: $(VENV)/.dev browser-setup ## tests and doctests; browser tests skip where there is no Chromium
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal -q -rs --durations 40 -m "not slow"

# every module and every example of a docstring, from the wheel: what absent packages could break; numbers are proved in unit
minimal: $(MINIMAL)/.core ## the same core with torch, numpy and scipy only
	@OMP_NUM_THREADS=1 $(MINIMAL)/bin/python -m pytest -q -rs tests/minimal --pyargs $(CORE:%=thermograd.%) --ignore-glob '/*/integrations/*'

docs: $(VENV)/.dev ## build the documentation
	@$(BIN)/zensical build --clean --strict

test-slow: $(VENV)/.dev ## long physics: coverage of intervals, long ensembles
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal -q -rs -m slow

bench: $(VENV)/.dev ## measured ratios, see benchmarks/README.md
	@$(BIN)/python benchmarks/engines.py --foundation
	@$(BIN)/python benchmarks/engines.py --quick
	@$(BIN)/python benchmarks/first_passage.py
	@OMP_NUM_THREADS=1 $(BIN)/python benchmarks/fluctuation_dissipation.py --quick
	@OMP_NUM_THREADS=1 $(BIN)/python benchmarks/stationary_state.py
	@$(BIN)/python benchmarks/posterior_peers.py --quick
	@$(BIN)/python benchmarks/curvature.py --quick
	@OMP_NUM_THREADS=1 $(BIN)/python benchmarks/aging.py --steps 10000
	@OMP_NUM_THREADS=1 $(BIN)/python benchmarks/effective_noise.py
	@OMP_NUM_THREADS=1 $(BIN)/python benchmarks/running.py --quick

coverage: $(VENV)/.dev ## how often intervals hold the truth and verdicts are wrong, into docs/coverage.md
	@OMP_NUM_THREADS=1 $(BIN)/python benchmarks/coverage.py

agreement: $(VENV)/.dev ## theory beside simulation, into docs/agreement.md
	@OMP_NUM_THREADS=1 $(BIN)/python benchmarks/agreement.py

trust: $(VENV)/.dev ## docs/trust.md and docs/benchmarks.md from what is measured already
	@$(BIN)/python benchmarks/trust.py

reference: $(VENV)/.lab ## from the code: docs/reference, and what type checkers read of lazy packages
	@$(BIN)/python tests/documents/write_reference.py

tutorials: $(VENV)/.lab ## what the blocks of the tutorials print, into their pages, and a figure
	@OMP_NUM_THREADS=1 $(BIN)/python tests/documents/write_outputs.py
	@OMP_NUM_THREADS=1 $(BIN)/python tests/documents/draw_figure.py

reliability: $(VENV)/.dev ## what a run survives, at nightly counts, into docs/reliability.md
	@OMP_NUM_THREADS=1 $(BIN)/python benchmarks/reliability.py

gallery: $(VENV)/.dev browser-setup ## the figures of docs/gallery.md, by running the reproductions they come from
	@OMP_NUM_THREADS=1 $(BIN)/python benchmarks/gallery.py

browser-setup:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || \
	  { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
	    apt-get update -qq >/dev/null 2>&1 && \
	    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null 2>&1; } || \
	  echo "no Chromium and no way to install it: browser tests will skip"

$(VENV)/.torch:
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install $(PIP) torch==2.13.0
	@touch $@

$(VENV)/.lab: $(VENV)/.torch pyproject.toml constraints.txt
	@$(BIN)/pip install $(PIP) -e '.[lab]'
	@touch $@

$(VENV)/.dev: $(VENV)/.torch pyproject.toml constraints.txt
	@$(BIN)/pip install $(PIP) -e '.[lab,dev]'
	@touch $(VENV)/.lab $@

$(MINIMAL)/.tools: constraints.txt
	@$(PYTHON) -m venv $(MINIMAL)
	@$(MINIMAL)/bin/pip install $(PIP) torch==2.13.0
	@$(MINIMAL)/bin/pip install $(PIP) pytest pytest-timeout
	@touch $@

# the built wheel, as a user gets it, not the sources
$(MINIMAL)/.core: $(MINIMAL)/.tools pyproject.toml README.md LICENSE $(shell find src -type f -not -name '*.pyc')
	@$(MINIMAL)/bin/pip install $(PIP) --force-reinstall --no-deps .
	@$(MINIMAL)/bin/pip install $(PIP) .
	@touch $@

clean: ## remove everything that was made, the demo too
	@rm -rf $(VENV) $(MINIMAL) demo site .mypy_cache .ruff_cache
