# `make test` and `make demo` do all set-up themselves, in .venv; nothing else on the machine is touched.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
TORCH := $(shell sed -n 's/^torch==//p' constraints.txt)
PIP := $(BIN)/python -m pip --disable-pip-version-check
INSTALL := $(PIP) install -qq

.PHONY: help setup test slow demo bench lint fix
help:
	@echo "make demo    base model, ReST-EM and VISTA on a tiny vision-language model; writes report.html"
	@echo "make test    all tests that need no GPU and take less than ten seconds"
	@echo "make slow    the tests that take longer: storms of kills, whole runs on the tiny model"
	@echo "make bench   speed beside the alternatives, one table: a quarter of an hour on one core"
	@echo "make lint    ruff and pyright, as in CI"
	@echo "make fix     let ruff format and repair what it can"
	@echo "make setup   what the others do first: .venv with the versions of constraints.txt"

setup: $(READY)
	@:

# Made anew only when the dependencies change. A torch of the right version that is there already is kept.
$(READY): pyproject.toml constraints.txt | $(BIN)/pip
	@if $(PIP) list 2>/dev/null | grep -qE '^torch +$(TORCH)(\+|$$)'; then \
	  echo "make setup: torch $(TORCH) is there"; \
	elif [ "$$(uname)" = Darwin ] || nvidia-smi >/dev/null 2>&1; then \
	  echo "make setup: installing torch $(TORCH) with support for this machine's GPU (large)"; \
	  $(INSTALL) -c constraints.txt torch; \
	else \
	  echo "make setup: no GPU here, installing a CPU build of torch $(TORCH)"; \
	  $(INSTALL) --no-deps --retries 1 'torch==$(TORCH)+cpu' 2>/dev/null \
	  || $(INSTALL) --no-deps --index-url https://download.pytorch.org/whl/cpu 'torch==$(TORCH)'; \
	fi || { echo "make setup: torch $(TORCH) could not be installed (see above). On a machine that reaches only PyPI:" \
	  "$(BIN)/pip install torch==$(TORCH) (with CUDA, large), then run make again" >&2; exit 1; }
	@echo "make setup: installing sharpen and its tools (about a minute)"
	@$(INSTALL) -c constraints.txt -e '.[dev]'
	@echo "make setup: done, $$($(BIN)/python -c 'import torch; print("torch", torch.__version__, "on", \
	  "cuda" if torch.cuda.is_available() else "cpu")')"
	@touch $@

$(BIN)/pip:
	@command -v $(PYTHON) >/dev/null || { echo "make setup: there is no $(PYTHON) here. Install Python 3.11" \
	  "or newer, or name one: make setup PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make setup: $(PYTHON) is" \
	  "$$($(PYTHON) --version 2>&1), too old. Install Python 3.11 or newer, or name one:" \
	  "make setup PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "make setup: $(PYTHON) cannot make a virtual" \
	  "environment. Debian, Ubuntu: apt install python3-venv" >&2; exit 1; }
	@echo "make setup: making .venv with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv .venv

# One thread a worker: two workers with two threads each would wait for one another.
test: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m 'not gpu and not slow' --durations 5

slow: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m 'slow and not gpu' --durations 5

demo: setup
	$(BIN)/sharpen demo

# One thread: then two sides of a comparison differ by what they do, and not by how threads wait.
bench: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m bench

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

fix: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
