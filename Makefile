# Everything runs in .venv, which is made from requirements.lock on first use, and in an environment of its own
# making, which the user's settings do not reach: companion/running/environment.py.
# Only Python 3.11, 3.12 or 3.13, git and make are needed.

PYTHON ?= python3
PARAMS ?=
SNAKEMAKE_FLAGS ?=
LOCK_FLAGS ?=
LAB_FLAGS ?=
WORKERS ?= 2
KEEP ?=
PORT ?= 8000
ONLY ?=
SPEC ?=
THREADS ?= 2
TORCH ?= torch==2.13.0
BIN = .venv/bin
HERE = -I companion/running/environment.py
RUN = $(BIN)/python $(HERE)
BOOTSTRAP = $(PYTHON) $(HERE) pipeline.bootstrap
COMPILE = $(RUN) uv pip compile pyproject.toml --quiet --no-config --universal --python-version 3.11 \
    --fork-strategy fewest --generate-hashes --custom-compile-command "make lock" $(LOCK_FLAGS)

export PARAMS KEEP

.PHONY: help book lab ledger test outputs records sweep torch bench serve lock schemas clean .venv

help:
	@echo "make book      execute the notebooks and build the site to _build/html"
	@echo "               PARAMS=\"depth=3 ratio=30\" executes them with these parameters"
	@echo "make lab       open the chapters in JupyterLab, to edit and run them; PARAMS as above"
	@echo "               LAB_FLAGS=\"--no-browser --port 8889\" goes to JupyterLab"
	@echo "make ledger    verify every theorem and say what is verified; a part of make book"
	@echo "make test      lint, types, tests, and the notebooks against their committed outputs"
	@echo "make outputs   refresh the outputs committed with the notebooks"
	@echo "make records   compute the stored results anew, or ONLY=\"noise scale\" of them"
	@echo "make sweep     SPEC=sweeps/window.toml computes the limits over the grid that this file specifies"
	@echo "make torch     add PyTorch to .venv, with which the tests then compare the package"
	@echo "make bench     time the package beside its peers, for the book's page of benchmarks"
	@echo "               ONLY=\"limits growth\" runs these, THREADS=4 gives every contender four threads"
	@echo "make serve     show the site at http://localhost:$(PORT)"
	@echo "make lock      resolve pyproject.toml to the three locks (LOCK_FLAGS=--upgrade: to the newest)"
	@echo "make clean     remove everything built, except .venv and .venv-bench"

book: .venv
	@$(RUN) pipeline.build $(SNAKEMAKE_FLAGS)

lab:
	@$(BOOTSTRAP) lab
	@$(RUN) pipeline.lab $(LAB_FLAGS)

ledger: .venv
	@PARAMS= $(RUN) pipeline.build ledger --forcerun ledger $(SNAKEMAKE_FLAGS)

test: .venv
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .
	@$(RUN) mypy
	@$(RUN) pytest -n $(WORKERS)
	@PARAMS= $(RUN) pipeline.build executed
	@$(RUN) pytest -p pipeline.replay --nbval --nbval-current-env notebooks

outputs: .venv
	@PARAMS= $(RUN) pipeline.build executed
	@$(RUN) pipeline.outputs

records: .venv
	@$(RUN) pipeline.tables $(ONLY) --cores $(WORKERS) $(SNAKEMAKE_FLAGS)

sweep: .venv
	@test -n "$(SPEC)" || { echo "Which one? For example: make sweep SPEC=sweeps/window.toml"; exit 1; }
	@$(RUN) pipeline.tables $(SPEC) --cores $(WORKERS) $(SNAKEMAKE_FLAGS)

torch:
	@$(BOOTSTRAP) --with "$(TORCH)"

# The pinned PyTorch is fetched as the registry has it; with TORCH= the benchmarks go without it, and say so.
bench:
	@$(BOOTSTRAP) --apart bench
	@$(BOOTSTRAP) --apart bench --with "$(TORCH)" || echo "$(TORCH) was not installed: its contenders are left out"
	@.venv-bench/bin/python $(HERE) benchmarks --threads $(THREADS) $(ONLY)

serve:
	@$(PYTHON) $(HERE) pipeline.serve $(PORT)

lock: .venv
	@$(COMPILE) --output-file requirements.lock --extra book --extra test
	@$(COMPILE) --output-file requirements-bench.lock --extra bench --constraint requirements.lock
	@$(COMPILE) --output-file requirements-lab.lock --extra lab --constraint requirements.lock

schemas: .venv
	@$(RUN) pipeline.schemas

clean:
	rm -rf _build .snakemake .pytest_cache .mypy_cache .ruff_cache .hypothesis

.venv:
	@$(BOOTSTRAP)
