# make demo | run | test | check | bench: each does its own set-up; see README.md.
.PHONY: demo run test check bench setup dev clean
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --disable-pip-version-check --quiet -c constraints.txt

demo: setup
	$(BIN)/speakage demo

run: setup
	$(BIN)/speakage run

test: dev
	$(BIN)/pytest

check: dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: dev
	$(BIN)/python benchmarks/short_context.py
	$(BIN)/python benchmarks/listen.py
	$(BIN)/python benchmarks/voice_to_picture.py
	$(BIN)/speakage bench start
	$(BIN)/speakage bench --model embedded
	$(BIN)/speakage bench --random-weights sd-turbo --decoder tiny --size 512 --steps 1

setup: $(VENV)/.installed

dev: $(VENV)/.installed-dev

# PyAudio is built from source and needs PortAudio's headers
$(VENV)/.installed: pyproject.toml constraints.txt
	@./setup.sh run
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) -e .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt $(VENV)/.installed
	@./setup.sh test
	$(PIP) -e '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache
