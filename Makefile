# Every target runs inside .venv, which the first one makes. PYTHON=python3.12 picks another interpreter, EXTRAS=eval
# leaves out what only training and the tests need (PyTorch is most of the download).
PYTHON ?= python3
VENV ?= .venv
EXTRAS ?= all
# Windows keeps a venv's programs in Scripts.
BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
PY := $(BIN)/python
STAMP := $(VENV)/.installed

.PHONY: help install demo curves test test-all test-ray test-ray-all lint format docs bench bench-training constraints clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

install: $(STAMP)  ## make .venv at the versions of constraints.txt

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install -c constraints.txt -e ".[$(EXTRAS)]"
	@$(PY) -c "import pathlib; pathlib.Path('$(STAMP)').touch()"

demo: $(STAMP)  ## compare five rules and CP-SAT on Taillard's ta01-ta10: a table and an HTML page
	$(PY) evaluate.py run --suite taillard_quick --name demo

test: $(STAMP)  ## the fast tests
	$(PY) -m pytest -n auto

test-all: $(STAMP)  ## the long tests too, and those of other libraries in venvs of their own
	$(PY) -m pytest -n auto -m ""
	$(PY) tests/integration/run.py

test-ray: $(STAMP)  ## the tests on Ray, which needs the ray extra (those of RLlib: rllib) in .venv
	$(PY) -m pytest -n 2 --dist loadfile tests/distributed

test-ray-all: $(STAMP)  ## the long tests on Ray too: simulated clusters that lose nodes
	$(PY) -m pytest -m "" tests/distributed

lint: $(STAMP)  ## ruff and mypy
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

format: $(STAMP)  ## let ruff format and fix
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

docs: $(STAMP)  ## build the documentation into site/
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict

curves: $(STAMP)  ## every published curve, under a budget of seconds each: pictures and texts in results/curves-quick
	$(PY) evaluate.py curve --all --quick

bench: $(STAMP)  ## measure speed against the peers, in venvs of their own under .bench/
	$(PY) benchmarks/peers/setup.py jssenv jumanji
	$(PY) benchmarks/engine.py
	$(PY) benchmarks/footprint.py

bench-training: $(STAMP)  ## measure training against RL4CO, in a venv of its own under .bench/
	$(PY) benchmarks/training.py

constraints: $(STAMP)  ## write the versions installed now into constraints.txt
	@echo "# Exact versions of all that continuous integration installs; written by: make constraints" > constraints.tmp
	@# Pins of what is not installed here, such as Ray's, stay as they are.
	@($(PY) -m pip freeze --all --exclude-editable | sed 's/+cpu$$//'; cat constraints.txt) | grep -E '^[^#@ ]+==' \
		| grep -vE '^(pip|ganttlet)==' | awk -F== '!seen[tolower($$1)]++' | sort -f >> constraints.tmp
	@mv constraints.tmp constraints.txt

clean:  ## remove what the targets above made, but neither .venv nor results
	$(PYTHON) -c "import shutil; [shutil.rmtree(d, ignore_errors=True) for d in ('site', 'dist', 'build', '.pytest_cache', '.mypy_cache', '.ruff_cache')]"
