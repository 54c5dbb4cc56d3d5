# Two commands matter: `make run` and `make test`. Both set everything up in .venv first; building llama.cpp takes
# several minutes the first time, and pip's cache serves it afterwards.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
EXAMPLE := examples/observatory
INDEX := build/observatory.lattice
QUESTION ?= ice crystals are growing on the chip
DATASETS := $(wildcard ../shared/datasets)
export LATTICE_DATASETS ?= $(abspath $(DATASETS))

.PHONY: run test setup check format docs bench bench-quick fuzz crash clean

run: setup
	@mkdir -p $(dir $(INDEX))
	@$(BIN)/lattice index $(EXAMPLE) --index $(INDEX)
	@echo
	@$(BIN)/lattice tree --index $(INDEX) --depth 1
	@echo
	@$(BIN)/lattice search "$(QUESTION)" --index $(INDEX) --limit 5 --trace

test: setup check
	@$(BIN)/python -m pytest

check: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "lattice needs Python 3.11 or later; name it: make PYTHON=/path/to/python3.11")'
	@echo "Setting up in $(VENV); building llama.cpp takes several minutes the first time …"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

format: setup
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

docs: setup
	@$(BIN)/python docs/make_cli.py

bench: setup
	@$(BIN)/python benchmarks/bench.py
	@$(BIN)/python benchmarks/report.py

bench-quick: setup
	@$(BIN)/python benchmarks/bench.py --quick

# Damaged and malicious models for ten minutes: make fuzz FUZZ="--seed 5 --seconds 60", or FUZZ="--seed 5 --only 12".
fuzz: setup
	@$(BIN)/python -m tests.models.llama.hostile $(FUZZ)

# Builds with an LLM killed at random moments: make crash CRASH="--kills 5 --seed 3".
crash: setup
	@$(BIN)/python -m tests.crash $(CRASH)

clean:
	rm -rf $(VENV) build .bench .mypy_cache .ruff_cache .pytest_cache .hypothesis
