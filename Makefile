# Each target makes .venv by itself; only Python >= 3.11 and make are needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
ARGS ?=
# Python keeps what it compiled, whatever is set: the tests begin some hundred processes, each of which would compile 300 modules anew.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test bench nightly lint serve help
help:
	@echo "make demo | test | bench | nightly | lint | serve      (ARGS=\"…\" is passed on)"

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed; name one: make PYTHON=python3.12 …" >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[postgres,xml,xlsx,dev]'
	@touch $(READY)

demo: $(READY)
	@$(BIN)/liaison demo $(ARGS)

# What Liaison sends out meanwhile is kept, and judged afterwards by the official validator.
test: export LIAISON_TEST_EMITTED := $(CURDIR)/.work/emitted
test: $(READY)
	@rm -rf "$(LIAISON_TEST_EMITTED)"
	@$(BIN)/python -m pytest $(ARGS)
	@$(BIN)/python -m pytest -n0 tests/profiles/emitted.py

bench: $(READY)
	@$(BIN)/python -m tests.bench $(ARGS)

nightly: $(READY)
	@LIAISON_TEST_PROFILE=nightly $(BIN)/python -m pytest $(ARGS)
	@for target in $$($(BIN)/python -m tests.mutation --targets); do $(BIN)/python -m tests.mutation $$target || exit 1; done

lint: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m tests.house

serve: $(READY)
	@$(BIN)/liaison serve $(ARGS)
