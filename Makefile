# Thin on purpose: dvc.yaml is the graph of the study, requirements/ the environment; this file only names the commands.

PYTHON ?= python3
TORCH ?= auto
EXTRA_INDEX ?=
JOBS ?= all
PROFILE ?= local
export PYTHON TORCH EXTRA_INDEX
export DVC_NO_ANALYTICS := 1

export PATH := $(CURDIR)/.venv/bin:$(PATH)

# $(call set_scale,NAME,ENVIRONMENTS) rewrites the line of params.yaml that chooses the scale, and the one of the family
# that belongs to the paper's scale only.
set_scale = sed -e 's/^scale: *[a-z]*/scale: $(1)/' \
	-e 's/^\(  recommender-synthetic: {environments: \)\[[^]]*\]/\1[$(2)]/' params.yaml >params.yaml.new && mv params.yaml.new params.yaml && echo 'params.yaml: scale is now $(1)'

# The whole grid of the search, every setting to its last epoch.
set_full_search = sed -e 's/^  vary: .*/  vary: [actor_learning_rate, critic_learning_rate, initial_standard_deviation, state_embedding_size, action_embedding_size, hidden_sizes, entropy_weight, policy_steps, update_steps]/' \
	-e 's/^  share_of_epochs: .*/  share_of_epochs: 1.0/' -e 's/^  rungs: .*/  rungs: 1/' params.yaml >params.yaml.new && mv params.yaml.new params.yaml && echo 'params.yaml: search is now the full grid'

# Parameters are checked first. C++ is compiled first, too: later, each worker would wait for it and record it as its own
# time. On a terminal Snakemake shows a live view, else lines.
# $(call run_stages,GRAPH)
run_stages = { python -m jsae.config.parameters >/dev/null && python -m jsae.nn.compiled >/dev/null && snakemake --profile workflow/profiles/$(PROFILE) --config graph=$(1) \
	$(if $(filter local,$(PROFILE)),--cores $(JOBS)) $$(test -t 2 && echo --logger rich); }

.DEFAULT_GOAL := help
.PHONY: help setup environment reproduce paper preview search search-full choose publish render readme status params test test-slurm check format lock peers benchmark crosscheck audit clean clean-all

help:  ## explain all targets
	@echo 'Usage: make TARGET [PYTHON=python3.12] [TORCH=auto|cpu|cuda] [EXTRA_INDEX=URL] [JOBS=n] [PROFILE=local|slurm]'
	@echo
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1	\2/p' $(firstword $(MAKEFILE_LIST)) | while IFS='	' read -r name text; do printf '  %-11s %s\n' "$$name" "$$text"; done
	@echo
	@echo 'First steps: make reproduce (the whole study at the scale that params.yaml names), make test'

setup: environment  ## build .venv from the hash-locked requirements; returns at once where nothing changed
	@read -r torch _ <.venv/.installed; echo "Ready: .venv holds the locked requirements (torch: $$torch). Next: make reproduce"

environment:
	@requirements/install.sh

reproduce: environment  ## run every stage whose inputs changed, in parallel, then say where the report is (JOBS=n: cores)
	@python -m workflow.status --quiet && echo 'Every stage is up to date.' || $(call run_stages,dvc.yaml)
	@scale=$$(sed -n 's/^scale: *\([a-z]*\).*/\1/p' params.yaml); echo; echo "Report: $(CURDIR)/report/$$scale/report.html"

paper: environment  ## set the scale to paper (the paper's budgets: hours), then reproduce
	@$(call set_scale,paper,recommender-synthetic)
	@$(MAKE) --no-print-directory reproduce

preview: environment  ## set the scale back to preview (minutes), then reproduce
	@$(call set_scale,preview,)
	@$(MAKE) --no-print-directory reproduce

search: environment  ## search the hyper-parameters of every cell of Figure 2 (hours), in parallel
	@$(call run_stages,search/dvc.yaml)

search-full: environment  ## set the search to the full grid of appendix A.4.2 (hundreds of core-hours: PROFILE=slurm, or a GPU), then search
	@$(call set_full_search)
	@$(MAKE) --no-print-directory search

choose: environment  ## write the best settings found to search/best.yaml, which go over params.yaml, for git
	@python -m stages.choose

publish: environment  ## copy what a reader of the paper-scale study needs without computing to published/, for git
	@python -m stages.publish

render: environment  ## make the published report again from its tables, without training, and compare the bytes (UPDATE=1: keep it)
	@python -m stages.render $(if $(UPDATE),--update)

readme: environment  ## rewrite README's table of verdicts from the study at the paper's scale
	@python -m stages.readme

status: environment  ## the matrix of runs: what is fresh, what would run and why, what failed
	@python -m workflow.status || test $$? -eq 1

params: environment  ## print every parameter: name, value, meaning, source
	@python -m jsae.config.parameters

test: environment  ## run the tests, a file on each core at a time (options of pytest: PYTEST_ADDOPTS)
	OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} python -m pytest -q --numprocesses logical --dist loadfile --no-loadscope-reorder --durations 15

test-slurm: environment  ## test on a real Slurm of two nodes, made for it on this machine (needs slurm-wlm and munge)
	JSAE_TEST_SLURM=1 python -m pytest -q -rs tests/slurm

check: environment  ## format, lint, types and import contracts
	ruff format --check
	clang-format --dry-run --Werror jsae/*.cpp jsae/*/*.cpp
	ruff check
	mypy
	lint-imports --no-logo

format: environment  ## format the code and mend what the linter can mend
	ruff format
	clang-format -i jsae/*.cpp jsae/*/*.cpp
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
	pip-audit --disable-pip --require-hashes $(foreach lock,compute study develop torch-cuda peers,-r requirements/$(lock).lock)

clean:  ## remove caches and logs
	rm -rf .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache build dist jsae.egg-info logs .snakemake/log
	find jsae stages tests workflow report benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

clean-all: clean  ## remove .venv as well; data, results and checkpoints stay (they cost hours)
	rm -rf .venv .bootstrap jsae/*.so jsae/*/*.so
