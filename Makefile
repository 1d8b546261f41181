# Every target makes or reuses .venv by itself: a bare clone needs Python 3.11 or later with venv
# and headers, a C compiler, and make.
#
#   make demo PYTHON=python3.12     choose the interpreter of a new .venv
#   GREENBAND_NO_EXT=1 make demo    without a compiler, on the slower NumPy references

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
BUILT_FROM := pyproject.toml setup.py $(shell find optimizer -name '*.pyx' -o -name '*.pxd')

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test lint types bench clean

help:  ## this list
	@grep -hE '^[a-z]+: .*##' Makefile | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

demo: $(VENV)/.demo-installed  ## compare controls on a real network, write out/report.html
	$(BIN)/greenband demo

# As many at once as there are cores of what takes its own time; two of what waits for a clock most
# of the time; and the browser, which is in a hurry, alone.
PYTEST := $(BIN)/python -m pytest --dist loadfile $(PYTEST_ARGS)

test: $(VENV)/.dev-installed  ## every test, those with the real SUMO included
	$(PYTEST) -n auto --maxprocesses 4 \
	    $(addprefix tests/,benchmarks controller greenband optimizer sim)
	$(PYTEST) -n 2 $(addprefix tests/,edge firmware_bridge)
	$(PYTEST) -n 0 tests/console

lint: $(VENV)/.dev-installed  ## style, docstrings, and which room may import which
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/.dev-installed  ## mypy, strict
	$(BIN)/mypy

BENCHMARKS := controller_step splits_kernel search_kernel bench_cost
bench: $(VENV)/.dev-installed  ## the quick numbers of benchmarks/RESULTS.md
	@for each in $(BENCHMARKS); do \
	    echo "benchmark $$each"; $(BIN)/python -m benchmarks.$$each || exit 1; done

clean:  ## remove what was built here; downloaded scenarios stay in your cache
	rm -rf $(VENV) build dist *.egg-info out .pytest_cache .hypothesis .mypy_cache .ruff_cache
	rm -rf .import_linter_cache
	find controller optimizer firmware_bridge edge sim greenband tests benchmarks \
	    \( -name '*.so' -o -name '*.c' -o -name '*.pyc' \) -delete

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	    echo "greenband needs Python 3.11 or later; '$(PYTHON)' is not:" \
	        "name one with 'make $(MAKECMDGOALS) PYTHON=python3.12'" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	    echo "'$(PYTHON)' cannot make environments:" \
	        "install python3-venv (Debian: sudo apt install python3-venv)" >&2; exit 1; }
	@test -n "$$GREENBAND_NO_EXT" || command -v $(firstword $(CC)) >/dev/null || { \
	    echo "there is no C compiler '$(firstword $(CC))': install one" \
	        "(Debian: sudo apt install gcc), or set GREENBAND_NO_EXT=1" >&2; exit 1; }
	@test -n "$$GREENBAND_NO_EXT" || $(PYTHON) -c 'import os, sys, sysconfig; \
	    sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' || { \
	    echo "the headers of '$(PYTHON)' are missing: install python3-dev" \
	        "(Debian: sudo apt install python3-dev), or set GREENBAND_NO_EXT=1" >&2; exit 1; }
	@echo "making $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.demo-installed: $(BUILT_FROM) | $(BIN)/python
	@echo "installing greenband and SUMO into $(VENV) (about 1 GB, once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[demo]'
	@touch $@

$(VENV)/.dev-installed: $(BUILT_FROM) | $(BIN)/python
	@echo "installing greenband, SUMO and the test tools into $(VENV) (about 1 GB, once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test,dev]'
	@touch $@ $(VENV)/.demo-installed
