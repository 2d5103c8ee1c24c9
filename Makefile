# Everything runs in .venv, which is made from requirements.lock on first use.
# Only Python 3.11, 3.12 or 3.13, git and make are needed.

PYTHON ?= python3
PARAMS ?=
SNAKEMAKE_FLAGS ?=
LOCK_FLAGS ?=
WORKERS ?= 2
PORT ?= 8000
BIN = .venv/bin
RUN = $(BIN)/python -m pipeline.environment

export PARAMS

.PHONY: help book ledger test outputs serve lock clean .venv

help:
	@echo "make book      execute the notebooks and build the site to _build/html"
	@echo "               PARAMS=\"depth=3 ratio=30\" executes them with these parameters"
	@echo "make ledger    verify every theorem and say what is verified; a part of make book"
	@echo "make test      lint, types, tests, and the notebooks against their committed outputs"
	@echo "make outputs   refresh the outputs committed with the notebooks"
	@echo "make serve     show the site at http://localhost:$(PORT)"
	@echo "make lock      resolve pyproject.toml to requirements.lock (LOCK_FLAGS=--upgrade: to the newest)"
	@echo "make clean     remove everything built, except .venv"

book: .venv
	@$(BIN)/python -m pipeline.build $(SNAKEMAKE_FLAGS)

ledger: .venv
	@PARAMS= $(BIN)/python -m pipeline.build ledger --forcerun ledger $(SNAKEMAKE_FLAGS)

test: .venv
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(RUN) pytest -n $(WORKERS)
	@$(RUN) pytest --nbval --nbval-current-env -n $(WORKERS) --dist loadfile notebooks

outputs: .venv
	@PARAMS= $(BIN)/python -m pipeline.build executed
	@$(BIN)/python -m pipeline.outputs

serve: .venv
	@test -f _build/html/index.html || { echo "There is no site yet: make book builds it."; exit 1; }
	@$(BIN)/python -m http.server --bind localhost --directory _build/html $(PORT)

lock: .venv
	@$(BIN)/uv pip compile pyproject.toml --output-file requirements.lock --quiet --no-config --universal \
	    --python-version 3.11 --fork-strategy fewest --all-extras --generate-hashes \
	    --custom-compile-command "make lock" $(LOCK_FLAGS)

clean:
	rm -rf _build .snakemake .pytest_cache .mypy_cache .ruff_cache .hypothesis

.venv:
	@$(PYTHON) pipeline/bootstrap.py
