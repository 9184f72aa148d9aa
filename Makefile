# Each target sets up what it needs in .venv, a virtual environment of its own.
PYTHON ?= python3
VENV ?= .venv
# How many times the cases of the tests `make fuzz` tries.
TIMES ?= 30
# Which seeds the scripts of the zoo begin from.
SEEDS ?= 0,1,2
BIN := $(VENV)/bin

.PHONY: setup test zoo fuzz demo check docs clean

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

test: setup
	$(BIN)/python -m pytest -n auto

zoo: setup
	TRAINLINT_ZOO_SHARE=1 TRAINLINT_ZOO_SEEDS=$(SEEDS) $(BIN)/python -m pytest -n auto tests/runtime/test_zoo.py

fuzz: setup
	TRAINLINT_FUZZ=$(TIMES) $(BIN)/python -m pytest -n auto tests/test_fuzz.py

demo: setup
	PATH="$(abspath $(BIN)):$$PATH" ./demo.sh

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: setup
	$(BIN)/python docs/make.py

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache
