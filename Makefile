# Anchors. `make` shows the commands; each one makes its own environment first.

PYTHON       ?= python3
PROFILE      ?= laptop
JOBS         ?= 2
TORCH_INDEX  ?=

# Values are texts, never read by make as its own language: $(shell …) in P="…" is handed over as it stands, runs nowhere.
VALUES := PYTHON PROFILE JOBS TORCH_INDEX ID P FROM OUT NAME CHROMIUM
$(foreach name,$(VALUES) $(foreach one,$(.VARIABLES),$(if $(filter command,$(origin $(one))),$(one))),$(eval override $(name) := $$(value $(name))))
export $(VALUES)

VENV         := .venv
RUN          := $(VENV)/bin/python -m anchors
PYTEST       := $(VENV)/bin/python -m pytest
NBVAL        := ANCHORS_FIGURES=data/cache/nbval ANCHORS_HEADLESS=1 HF_HUB_DISABLE_PROGRESS_BARS=1 $(PYTEST) -n 2 \
                --dist loadscope -p notebooks.compare_numbers -p anchors.companion.kernels --nbval --nbval-current-env
STAMP        := $(VENV)/.installed
BROWSER      := $(VENV)/.chromium

# A data mirror beside the checkout is used when it is there; see "Data" in the README.
export ANCHORS_DATA_MIRROR ?= $(wildcard ../shared/data)
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1
export TOKENIZERS_PARALLELISM ?= false
# How many notebooks at a time, checked before any is begun.
COUNTED      := case "$$JOBS" in [1-9]|[1-5][0-9]|6[0-4]) ;; *) echo "error: JOBS: found '$$JOBS'; expected a number from 1 to 64. Say for example JOBS=2." >&2; exit 2 ;; esac

.DEFAULT_GOAL := help
.PHONY: help figures figure tables reproduce why test test-data check lab new explore list doctor runs gallery site refresh picture bench clean distclean FORCE

help:  ## show this list
	@echo "Anchors: a reproducible companion to four papers. Start with: make figures"
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | while IFS="$$(printf '\t')" read -r name text; do printf '  make %-10s %s\n' "$$name" "$$text"; done
	@echo "  PROFILE=smoke|laptop|paper   JOBS=2   PYTHON=python3.12   TORCH_INDEX=<url of another torch wheel index>   CHROMIUM=/path/to/chromium"

figures: $(STAMP)  ## rebuild every figure and table that changed, then the gallery
	@$(COUNTED); $(RUN) figures --profile="$$PROFILE" --jobs="$$JOBS"

figure: $(STAMP)  ## rebuild one: make figure ID=hashing/fig_topn P="bits=64 ratio=0.1"
	@test -n "$$ID" || { echo 'error: ID: found nothing; expected the id of a figure. For example make figure ID=hashing/fig_topn; see make list.' >&2; exit 2; }
	@$(RUN) figures --profile="$$PROFILE" --id="$$ID" -P " $$P"

tables: $(STAMP)  ## rebuild the tables only
	@$(COUNTED); $(RUN) figures --profile="$$PROFILE" --jobs="$$JOBS" --tables

reproduce: $(STAMP)  ## what of the committed results was reproduced here, number by number
	@$(RUN) reproduce --profile="$$PROFILE"

why: $(STAMP)  ## why a figure would be built again: make why ID=hashing/fig_topn (without ID: all that would)
	@$(RUN) why --profile $(PROFILE) --id "$$ID"

# As a new user has it, whatever lies beside the checkout: no data set, no download.
test: export ANCHORS_DATA_MIRROR =
test: export ANCHORS_DOWNLOADS = data/cache/no_downloads
test: export ANCHORS_OFFLINE = 1
test: $(STAMP) $(BROWSER)  ## everything that needs no data set: check, figures, notebooks, browser, kill and resume
	@$(COUNTED); $(VENV)/bin/ruff check -q . && $(VENV)/bin/ruff format -q --check .
	@$(PYTEST) tests -n 2 --dist loadscope -m "not built"
	@$(RUN) figures --jobs="$$JOBS"
	@$(NBVAL) $$($(RUN) paths)
	@$(RUN) reproduce
	@$(PYTEST) tests -m built

test-data: $(STAMP) $(BROWSER)  ## what needs the data sets: their tests, their figures and notebooks
	@$(COUNTED); $(PYTEST) tests --data -n 2 --dist loadscope
	@$(RUN) figures --jobs="$$JOBS"
	@$(NBVAL) $$($(RUN) paths --data)
	@$(RUN) reproduce
	@$(PYTEST) tests -m built

check: $(STAMP)  ## quick: lint, format, import rules, unit tests
	@$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check .
	@$(PYTEST) tests -q -n 2 --dist loadscope -m "not built and not slow"

lab: $(STAMP)  ## open JupyterLab on the notebook to start with, or on one: make lab ID=hashing/fig_topn
	@$(RUN) lab --id="$$ID"

new: $(STAMP)  ## write a notebook that works, to be changed: make new ID=hashing/own_idea
	@$(RUN) new --id="$$ID"

explore: $(STAMP)  ## a trace of your own as a page: make explore FROM=path/to/problem_4682 OUT=trace.html
	@test -n "$$FROM" && test -n "$$OUT" || { echo 'error: FROM, OUT: found nothing; expected a source and a page to write. For example make explore FROM=path/to/problem_4682 OUT=trace.html, or FROM="rollouts.db --cases cases.json".' >&2; exit 2; }
	@set -f; if test -e "$$FROM"; then set -- "$$FROM"; else set -- $$FROM; fi; $(VENV)/bin/python -m anchors.thought.explorer "$$@" -o "$$OUT"

list: $(STAMP)  ## every figure: id, cost, status, claim
	@$(RUN) list --profile="$$PROFILE"

doctor: $(STAMP)  ## what works on this machine, and what is missing
	@$(RUN) doctor

runs: $(STAMP)  ## repeat the recorded runs (long), replacing their logs
	@$(RUN) runs $${NAME:+"--name=$$NAME"}

gallery: $(STAMP)  ## write figures/index.html from what is built
	@$(RUN) gallery --profile="$$PROFILE"

site: $(STAMP)  ## write a folder that any static host serves: make site OUT=_site
	@$(RUN) site --out="$${OUT:-_site}"

refresh: $(STAMP)  ## take over outputs of built notebooks, and times and memory measured here, as committed ones
	@$(RUN) refresh

picture: $(STAMP) $(BROWSER)  ## photograph the gallery and what can be played with, for the README
	@$(RUN) picture

bench: $(STAMP)  ## speed and memory, side by side, ratios printed
	@for file in benchmarks/bench_*.py; do echo "== $$file"; $(VENV)/bin/python $$file || exit 1; done

clean: $(STAMP)  ## remove caches and pages; keep downloads, environment and committed figures
	@$(RUN) clean

distclean:  ## remove the environment as well
	rm -rf $(VENV) data/cache

# A Python asked for by name is compared with that of .venv at every call.
$(STAMP): requirements.lock requirements.nodeps.lock pyproject.toml $(if $(filter-out python3,$(PYTHON)),FORCE)
	@./environment.sh

FORCE:

BROWSES      := $(VENV)/bin/python -m anchors.companion.browser
$(BROWSER): $(STAMP)
	@test -n "$$CHROMIUM" || $(BROWSES) 2>/dev/null || ! command -v apt-get >/dev/null || { echo "installing Chromium for the browser tests"; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; } || true
	@$(BROWSES)
	@touch $(BROWSER)
