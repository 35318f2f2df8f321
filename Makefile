# Everything runs inside .venv, which `make setup` makes; a second call starts at once.
PYTHON ?= python3
BIN := .venv/bin
# The tests share the cores out among themselves, so torch gets one thread in each process.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 8
STAMP := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help setup play test test-all check format bench train

help: ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(STAMP) ## make .venv and install what is missing

$(STAMP): requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@grep '^torch==' requirements.lock > .venv/torch.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r .venv/torch.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

play: $(STAMP) ## open the window and play
	@$(BIN)/python play.py $(ARGS)

test: $(STAMP) ## the fast tests
	$(PYTEST) -m "not slow and not gpu" $(ARGS)

test-all: $(STAMP) ## every test that this machine can run
	$(PYTEST) $(ARGS)

check: $(STAMP) ## style, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -p no:cacheprovider tests/test_layers.py

format: $(STAMP) ## mend the style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP) ## games, training, decisions, recall
	$(BIN)/python -m selfplay bench envs
	$(BIN)/python -m selfplay bench train
	$(BIN)/python -m selfplay bench decide
	$(BIN)/python -m selfplay bench recall

train: $(STAMP) ## twenty minutes of self-play from nothing
	$(BIN)/python -m selfplay train --games connect --steps 5000000 --out runs/train $(ARGS)
