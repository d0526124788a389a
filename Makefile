# Thin names over the tools that do the work. `make` alone lists them.

PYTHON ?= python3
VENV   ?= .venv
PRESET ?= quick
LIVE   ?= check
BUILD  ?= build
CORES  ?= $(shell getconf _NPROCESSORS_ONLN)

BIN   := $(abspath $(VENV))/bin
STAMP := $(VENV)/.installed
SMOKE := build/smoke

# One thread per process: runs are spread over the cores, and threads of one run would only
# take them from the next.
RUN := env PATH="$(BIN):$$PATH" OMP_NUM_THREADS=1 MKL_NUM_THREADS=1

.PHONY: help book test lab study bench clean
.DELETE_ON_ERROR:

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile
	@echo 'Settings: PRESET=smoke|quick|study|long|paper (now $(PRESET)), CORES=$(CORES), BUILD=$(BUILD)'
	@echo '          LIVE=check|all (now $(LIVE)): at quick, train one comparison of each paper or all'

book: $(STAMP)  ## train the live check, execute every notebook and build the HTML book
	@BUILD_DIR="$(BUILD)" $(RUN) python workflow/book.py \
	    --build "$(BUILD)" --preset "$(PRESET)" --live "$(LIVE)" --cores "$(CORES)"

# The cells of one notebook share a kernel, hence loadfile; nbval does not notice a dead kernel,
# hence the timeout of a cell (seconds).
test: $(STAMP)  ## ruff, the book at smoke with warnings as errors, unit tests, every notebook
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(MAKE) book PRESET=smoke BUILD=$(SMOKE)
	$(RUN) pytest tests
	BUILD_DIR=$(SMOKE) $(RUN) pytest --nbval-lax --nbval-cell-timeout=300 \
	    -n $(CORES) --maxprocesses=8 --dist loadfile notebooks

lab: $(STAMP)  ## open JupyterLab on the notebooks
	PATH="$(BIN):$$PATH" jupyter lab notebooks

study: $(STAMP)  ## train all on the full data of DATA_DIR and publish results/study
	$(RUN) python -m helpers train --preset study --workers $(CORES) --publish

bench: $(STAMP)  ## measure our training loop against the usual one
	$(RUN) python -m benchmarks

clean:  ## remove everything generated, unpublished records too; .venv stays
	rm -rf build .snakemake .pytest_cache .ruff_cache

# An existing environment (say, conda's) is filled, not replaced.
$(STAMP): requirements.lock pyproject.toml
	@test -x "$(BIN)/pip" || $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo 'PYTHON=$(PYTHON): Python 3.11 or newer is needed'; exit 1; }
	test -x "$(BIN)/pip" || $(PYTHON) -m venv "$(VENV)"
	"$(BIN)/python" -m pip install --disable-pip-version-check --require-hashes -r requirements.lock
	"$(BIN)/python" -m pip install --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch "$@"
