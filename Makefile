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

# TORCH=cpu leaves the CUDA libraries out. An environment keeps the builds that it was made with.
# On a Mac PyPI's own builds are for the CPU. PyTorch's index gives no hash that the lock could
# keep, so its two packages have their versions pinned, and all others their hashes too.
HELD        := $(wildcard $(VENV)/lib/python3*/site-packages/torch-*.dist-info)
HELD        := $(if $(HELD),$(if $(findstring +cpu,$(HELD)),cpu,pypi))
TORCH       ?= $(or $(HELD),pypi)
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
CPU_BUILDS  := $(and $(filter cpu,$(TORCH)),$(filter Linux,$(shell uname -s)))
ifeq ($(filter "pypi" "cpu","$(TORCH)"),)
$(error TORCH: '$(TORCH)' is not allowed; use one of pypi, cpu)
endif
ifneq ($(and $(HELD),$(filter Linux,$(shell uname -s)),$(filter-out $(HELD),$(TORCH))),)
$(error TORCH: '$(TORCH)' is not allowed; $(VENV) has the builds of '$(HELD)': remove it, or set VENV)
endif

# uv is several times as fast. `make UV=` keeps to pip.
UV      ?= $(if $(shell uv --version 2>/dev/null),uv)
INSTALL := $(if $(UV),$(UV) pip install --python "$(BIN)/python",\
    "$(BIN)/python" -m pip install --disable-pip-version-check)
ONLY    := $(if $(UV),--default-index,--index-url)
FOUND   := $(if $(wildcard $(BIN)/pip),"$(BIN)/python",$(PYTHON))

# One thread per process: runs are spread over the cores, and threads of one run would only
# take them from the next.
RUN := env PATH="$(BIN):$$PATH" OMP_NUM_THREADS=1 MKL_NUM_THREADS=1

.PHONY: help book test lab study bench clean
.DELETE_ON_ERROR:

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile
	@echo 'Settings (now):'
	@echo '  PRESET=smoke|quick|study|long|paper ($(PRESET)), CORES=$(CORES), BUILD=$(BUILD)'
	@echo '  LIVE=check|all ($(LIVE)): at quick, train one comparison of each paper, or everything'
	@echo '  TORCH=pypi|cpu ($(TORCH)): cpu installs no CUDA'

book: $(STAMP)  ## train the live check, execute every notebook and build the HTML book
	@BUILD_DIR="$(BUILD)" $(RUN) python workflow/book.py \
	    --build "$(BUILD)" --preset "$(PRESET)" --live "$(LIVE)" --cores "$(CORES)"

# One run for unit tests and notebooks, so that what fails in one does not keep the other from
# being tested. The cells of one notebook share a kernel, hence loadfile, and the files that take
# longest come first; nbval does not notice a dead kernel, hence the timeout of a cell (seconds).
# Many tests wait for a process that they started, hence one worker more than there are cores.
test: $(STAMP)  ## ruff, the book at smoke with warnings as errors, unit tests, every notebook
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(MAKE) book PRESET=smoke BUILD=$(SMOKE)
	BUILD_DIR=$(SMOKE) $(RUN) pytest -rs --nbval-lax --nbval-cell-timeout=300 -n $$(($(CORES) + 1)) \
	    --maxprocesses=8 --dist loadfile --no-loadscope-reorder \
	    tests/test_commands.py notebooks tests

lab: $(STAMP)  ## open JupyterLab on the notebooks
	PATH="$(BIN):$$PATH" jupyter lab notebooks

study: $(STAMP)  ## train all on the full data of DATA_DIR and publish results/study
	$(RUN) python -m helpers train --preset study --workers $(CORES) --publish

bench: $(STAMP)  ## measure our training loop against the usual one
	$(RUN) python -m benchmarks

clean:  ## remove everything generated, unpublished records too; .venv stays
	rm -rf build .snakemake .pytest_cache .ruff_cache

# An installer writes to a log; if it fails, the end of the log is shown too.
INSTALLED = $(VENV)/install.log
logged = @$(1) >> "$(INSTALLED)" 2>&1 || \
	    { tail -n 5 "$(INSTALLED)"; echo 'The installation failed. Full log: $(INSTALLED)'; exit 1; }

# An existing environment (say, conda's) is filled, not replaced.
$(STAMP): requirements.lock pyproject.toml
	@$(FOUND) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null || \
	    { echo "PYTHON: '$(FOUND)' is not allowed; use Python 3.11 to 3.13"; exit 1; }
	@$(FOUND) -c 'import ensurepip, venv' 2>/dev/null || test -x "$(BIN)/pip" || \
	    { echo "PYTHON: '$(FOUND)' is not allowed; it lacks the module venv (Debian, Ubuntu:" \
	        "apt install python3-venv)"; exit 1; }
	@test -x "$(BIN)/pip" || $(PYTHON) -m venv "$(VENV)"
	@echo 'installing: the packages of requirements.lock into $(VENV), log in $(INSTALLED)'
	@: > "$(INSTALLED)"
ifeq ($(CPU_BUILDS),)
	$(call logged,$(INSTALL) --require-hashes -r requirements.lock)
else
	@awk '/^[a-z]/ { keep = !/^(torch|torchvision|triton|cuda-[a-z]+|nvidia-[a-z0-9-]+)==/ } keep' \
	    requirements.lock > "$(VENV)/cpu.lock"
	$(call logged,$(INSTALL) --no-deps --require-hashes -r "$(VENV)/cpu.lock")
	$(call logged,$(INSTALL) --no-deps $(ONLY) $(TORCH_INDEX) \
	    $$(sed -n 's/^\(torch[a-z]*==[^ ]*\) .*/\1+cpu/p' requirements.lock))
endif
	$(call logged,"$(BIN)/python" -m pip install --disable-pip-version-check \
	    --no-deps --no-build-isolation -e .)
	@touch "$@"
