# make help lists the targets. Each that needs it makes .venv when it is missing or stale.
CORES ?= $(shell n=$$(nproc); echo $$((n > 2 ? n : 2)))
WORKERS ?= $(shell n=$$(nproc); echo $$((n < 8 ? n : 8)))
PYTHON ?= python3
VENV := .venv
ACTIVATE := . $(VENV)/bin/activate
# The resume command that an interrupted run prints.
RESUME = MCT_COMMAND="make $@"
STAMP := $(VENV)/.requirements
PYTHON_FILES := workflow/scripts workflow/tools tests benchmarks

EXPERIMENT ?= results/digits

.PHONY: help environment run test lint status dag digits-study cluster-up cluster-run cluster-down requirements clean

help:  # this list
	@sed -n 's/^\([a-z-]*\):[^#]*# \(.*\)/make \1|\2/p' Makefile | awk -F '|' '{ printf "%-20s %s\n", $$1, $$2 }'

run: $(STAMP)  # the quick start: the digits, three seeds, a few minutes
	$(ACTIVATE) && $(RESUME) snakemake --cores $(CORES) --rerun-incomplete --quiet all

test: $(STAMP)  # all tests but those that need Slurm, a GPU or most of a minute each
	$(ACTIVATE) && pytest -q --durations=25 --numprocesses $(WORKERS)

lint: $(STAMP)  # what the code must pass: ruff, snakefmt, snakemake --lint, mypy
	$(ACTIVATE) && ruff check . && ruff format --check .
	$(ACTIVATE) && snakefmt --check Snakefile workflow/rules
	$(ACTIVATE) && snakemake --lint
	$(ACTIVATE) && mypy

status: $(STAMP)  # the running stages of EXPERIMENT, a folder of results
	@$(ACTIVATE) && mct status $(EXPERIMENT)

cluster-up:  # a Slurm cluster on this machine (Debian, root)
	$(PYTHON) tests/slurm/cluster.py up

cluster-run: $(STAMP)  # the quick start on that cluster
	$(ACTIVATE) && $(RESUME) snakemake --profile slurm --slurm-partition-config /tmp/mct-cluster/partitions.yaml

cluster-down:  # stop it
	$(PYTHON) tests/slurm/cluster.py down

dag: $(STAMP)  # draw the rules: results/rules.png
	$(ACTIVATE) && snakemake --rulegraph | python workflow/tools/draw_rules.py --output results/rules.png

digits-study: $(STAMP)  # the digits over five seeds
	$(ACTIVATE) && $(RESUME) snakemake --cores $(CORES) --rerun-incomplete --configfile config/digits_study.yaml

environment: $(STAMP)  # .venv with all that the workflow needs, and the command mct

$(STAMP): requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet "$$(grep -o '^uv==[0-9.]*' requirements.txt)"
	$(VENV)/bin/uv pip sync --quiet --compile-bytecode --python $(VENV)/bin/python --require-hashes requirements.txt
	$(VENV)/bin/uv pip install --quiet --python $(VENV)/bin/python --offline --no-deps --no-build-isolation --editable .
	@touch $@

requirements:  # compile requirements.txt from requirements.in
	$(VENV)/bin/uv pip compile --universal --generate-hashes --python-version 3.11 \
		--no-emit-index-url --quiet requirements.in --output-file requirements.txt

clean:  # remove .venv and caches, no results
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis $(VENV)
