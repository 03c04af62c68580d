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

run: $(STAMP)
	$(ACTIVATE) && $(RESUME) snakemake --cores $(CORES) --show-failed-logs --rerun-incomplete --quiet rules progress

test: $(STAMP)
	$(ACTIVATE) && pytest -q --durations=25 --numprocesses $(WORKERS)

lint: $(STAMP)
	$(ACTIVATE) && ruff check . && ruff format --check .
	$(ACTIVATE) && snakefmt --check Snakefile workflow/rules
	$(ACTIVATE) && snakemake --lint
	$(ACTIVATE) && mypy

status: $(STAMP)
	@$(ACTIVATE) && mct status $(EXPERIMENT)

cluster-up:
	$(PYTHON) tests/slurm/cluster.py up

cluster-run: $(STAMP)
	$(ACTIVATE) && $(RESUME) snakemake --profile slurm --slurm-partition-config /tmp/mct-cluster/partitions.yaml

cluster-down:
	$(PYTHON) tests/slurm/cluster.py down

dag: $(STAMP)
	$(ACTIVATE) && snakemake --rulegraph | python workflow/tools/draw_rules.py --output results/rules.png

digits-study: $(STAMP)
	$(ACTIVATE) && $(RESUME) snakemake --cores $(CORES) --rerun-incomplete --configfile config/digits_study.yaml

environment: $(STAMP)

$(STAMP): requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet "$$(grep -o '^uv==[0-9.]*' requirements.txt)"
	$(VENV)/bin/uv pip sync --quiet --compile-bytecode --python $(VENV)/bin/python --require-hashes requirements.txt
	$(VENV)/bin/uv pip install --quiet --python $(VENV)/bin/python --offline --no-deps --no-build-isolation --editable .
	@touch $@

requirements:
	$(VENV)/bin/uv pip compile --universal --generate-hashes --python-version 3.11 \
		--no-emit-index-url --quiet requirements.in --output-file requirements.txt

clean:
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis $(VENV)
