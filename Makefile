# The words: demo, test, slow, services, check, bench; stages.json after a change of code. Each sets itself up in .venv the first time, and nothing twice.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
TWO := -n 2 --dist loadfile --no-loadscope-reorder  # in the order of tests/conftest.py

.PHONY: demo test slow services check check-style stages.json bench clean

$(READY): pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) (a few minutes the first time) ..."
	@$(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt --editable '.[dev]' 2>&1 \
		| grep -v 'is ignored: it is neither a file nor a directory' || true
	@$(BIN)/python -m compileall -q -j 0 -x '/tests?/' $(VENV)/lib >/dev/null || true  # on all cores, pip would use one
	@$(BIN)/python -m pip check
	@touch $@

demo: $(READY)
	@$(BIN)/andon demo

stages.json: $(READY)
	@$(BIN)/python -m inspection.fingerprint

check-style: $(READY)
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

check: check-style
	@$(BIN)/pytest -m "not slow and not services" -n 2 --dist loadfile tests/architecture tests/inspection tests/monitoring tests/stages tests/plant

test: $(READY)
	@$(BIN)/pytest -m "not slow and not services" $(TWO)

slow: $(READY)
	@$(BIN)/pytest -m slow $(TWO)

services: $(READY)
	@$(BIN)/pytest -m services $(TWO) tests/services

bench: $(READY)
	@$(BIN)/python -m benchmarks.embed --out .andon/embed.json

clean:
	rm -rf .demo .andon .mypy_cache .ruff_cache .pytest_cache .hypothesis
