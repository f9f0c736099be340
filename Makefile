# Two commands are all a fresh machine needs: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
RUN := .venv/.run-installed
DEV := .venv/.dev-installed
PEERS := .venv/.bench-installed
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test slow check bench gallery schema clean

demo: $(RUN)                 ## the question of the project, answered: table, files and pictures
	$(BIN)/sim run scenarios/four_approaches.yaml

test: $(DEV)                 ## every test but the slow ones
	$(BIN)/python -m pytest -n 2

slow: $(DEV)                 ## minutes long: do the intervals hold the truth as often as they say?
	$(BIN)/python -m pytest -n 2 -m slow -rP

check: $(DEV)                ## style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

bench: $(PEERS)              ## messages per CPU second, beside bare SimPy timeouts and peers of the same run
	$(BIN)/python tests/benchmarks/bench.py

gallery: $(RUN)              ## the pictures that the README shows
	$(BIN)/python -m sim.report.gallery

schema: $(RUN)               ## the JSON Schema that editors use
	$(BIN)/sim schema > scenarios/schema.json

clean:
	rm -rf .venv

$(RUN): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(PIP_INSTALL) --editable .
	touch $@

$(DEV): $(RUN)
	$(PIP_INSTALL) --editable ".[dev]"
	touch $@

$(PEERS): $(DEV)
	$(PIP_INSTALL) --editable ".[dev,bench]"
	touch $@
