# Thin on purpose: dvc.yaml is the graph of the study, requirements/ the environment; this file only names the commands.

PYTHON ?= python3
TORCH ?= auto
EXTRA_INDEX ?=
JOBS ?= all
PROFILE ?= local
SCALE ?=
PANEL ?=
# A recipe reads these as "$$NAME": what a user gives never becomes a word of the shell.
export PYTHON TORCH EXTRA_INDEX JOBS PROFILE SCALE PANEL
export DVC_NO_ANALYTICS := 1
# The packages are those of .venv, and the project's own (see requirements/start.py).
unexport PYTHONPATH PYTHONHOME PYTHONSAFEPATH
export PYTHONNOUSERSITE := 1

export PATH := $(CURDIR)/.venv/bin:$(PATH)

# C++ is compiled first: later, each worker would wait for it and record it as its own time.
# $(call run_stages,GRAPH)
run_stages = { echo "$$JOBS" | grep -qxE 'all|[1-9][0-9]{0,3}' || { echo "error: JOBS=$$JOBS: give a number of cores, 1 or more, or all" >&2; exit 2; }; \
	python -m jsae.nn.compiled >/dev/null && \
	if [ "$$PROFILE" = local ]; then set -- --cores "$$JOBS"; fi && \
	snakemake --profile "workflow/profiles/$$PROFILE" --config graph=$(1) "$$@"; }

.DEFAULT_GOAL := help
.PHONY: help setup environment runs reproduce smoke preview paper search choose publish render readme docs status watch params test test-slurm test-setup check format lock peers benchmark crosscheck audit clean clean-all

help:  ## explain all targets
	@echo 'Usage: make TARGET [PYTHON=python3.12] [TORCH=auto|cpu|cuda] [EXTRA_INDEX=URL] [SCALE=smoke|preview|paper] [PANEL=2a] [JOBS=n] [PROFILE=local|slurm]'
	@echo
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1	\2/p' $(firstword $(MAKEFILE_LIST)) | while IFS='	' read -r name text; do printf '  %-11s %s\n' "$$name" "$$text"; done
	@echo
	@echo 'First steps: make preview (minutes), make test'

setup: environment  ## build .venv from the hash-locked requirements; returns at once where nothing changed
	@read -r torch _ <.venv/.installed; echo "Ready: .venv holds the locked requirements (torch: $$torch). Next: make reproduce"

environment:
	@requirements/install.sh

runs: environment  ## choose what runs: SCALE=smoke|preview|paper (without it: the scale chosen before), PANEL=2a ... 2f
	@python -m tools.runs $${SCALE:+"$$SCALE"} --panel "$$PANEL"

reproduce: runs  ## run every stage whose inputs changed, in parallel, then say where the report is (SCALE, PANEL, JOBS=n: cores)
	@python -m workflow.status --quiet && echo 'Every stage is up to date.' || $(call run_stages,dvc.yaml)
	@python -m tools.summary

smoke:  ## reproduce at the scale smoke: everything runs, nothing is learnt (2 minutes)
	@$(MAKE) --no-print-directory reproduce SCALE=smoke

preview:  ## reproduce at the scale preview: the first part of Figure 2 (6 to 12 minutes)
	@$(MAKE) --no-print-directory reproduce SCALE=preview

paper:  ## reproduce at the scale paper: the paper's budgets (some 30 core-hours)
	@$(MAKE) --no-print-directory reproduce SCALE=paper

search: runs  ## search the hyper-parameters of every cell of Figure 2 (hours), in parallel
	@$(call run_stages,search/graph.yaml)

choose: environment  ## write the best settings found to search/best, which overrides params.yaml, for git
	@python -m tools.choose

publish: environment  ## copy what a reader of the study needs without computing to published/, for git
	@python -m tools.publish

render: environment  ## make the published report again from its tables, without training, and compare the bytes (UPDATE=1: keep it)
	@python -m tools.render $(if $(UPDATE),--update)

readme: environment  ## write docs/results.md, the table of verdicts, from published/
	@python -m tools.readme

docs: environment  ## build the site of the pages of docs/ and the API reference into site/; a warning is an error
	@.bootstrap/bin/uv pip install --quiet --python .venv/bin/python --no-deps --require-hashes -r requirements/docs.lock
	@NO_MKDOCS_2_WARNING=1 python -m mkdocs build --strict
	@echo 'Built site/index.html'

status: environment  ## the matrix of runs: what is fresh, what would run and why, what failed
	@python -m tools.runs --check
	@python -m workflow.status

watch: environment  ## open TensorBoard on the running study and on runs by hand, on http://localhost:6006 (installs it)
	@.bootstrap/bin/uv pip install --quiet --python .venv/bin/python --no-deps --require-hashes -r requirements/tensorboard.lock
	@python -m tools.watch

params: environment  ## print every parameter: name, value, meaning, source
	@python -m jsae.config.schema

test: environment  ## run the tests, a file on each core at a time (options of pytest: PYTEST_ADDOPTS)
	OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} python -m pytest -q --numprocesses logical --dist loadfile --no-loadscope-reorder --durations 15

test-slurm: environment  ## test on a real Slurm of two nodes, made for it on this machine (needs slurm-wlm and munge)
	JSAE_TEST_SLURM=1 python -m pytest -q -rs tests/slurm

test-setup: environment  ## test the set-up on machines of other kinds, made for it: a read-only home, other locales, ... (10 minutes)
	JSAE_TEST_SETUP=1 python -m pytest -q -rs tests/setup

check: environment  ## format, lint, types and import contracts
	ruff format --check
	clang-format --dry-run --Werror jsae/*/*.cpp
	ruff check
	mypy
	lint-imports --no-logo

format: environment  ## format the code and fix what the linter can fix
	ruff format
	clang-format -i jsae/*/*.cpp
	ruff check --fix

lock: environment  ## recompile the locks from requirements/*.in (UPGRADE=1: to the newest versions)
	@UV_FIND_LINKS="$${UV_FIND_LINKS:-$$(echo $$PIP_FIND_LINKS | tr ' ' ',')}" requirements/lock.sh

peers: environment  ## install the other people's agents that the benchmarks compare with (optional)
	@.bootstrap/bin/uv pip install --quiet --python .venv/bin/python --no-deps --require-hashes -r requirements/peers.lock

benchmark: environment  ## measure speed, memory and growth: tables, a plot, files (QUICK=1: within 5 minutes)
	OMP_NUM_THREADS=1 python -m benchmarks.speed $(if $(QUICK),--quick)

crosscheck: environment  ## train our agents and other people's on the same tasks (needs make peers)
	OMP_NUM_THREADS=1 python -m benchmarks.crosscheck

audit: environment  ## look for known vulnerabilities in the locked versions (needs the network)
	pip-audit --disable-pip --require-hashes $(foreach lock,compute study develop torch-cuda peers tensorboard docs,-r requirements/$(lock).lock)

clean:  ## remove caches and logs
	rm -rf .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache build dist site jsae.egg-info logs .snakemake/log
	find jsae stages tools tests workflow report benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

clean-all: clean  ## remove .venv as well; data, results and checkpoints stay (they cost hours)
	rm -rf .venv .bootstrap jsae/*/*.so
