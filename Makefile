# The commands of the README, for a machine that has Python 3.11 or later and nothing else.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
GLOBUS := $(VENV)/globus
WORKERS ?= auto

# Tests and runs start many processes: without cached bytecode each compiles the package anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test test-crates test-globus test-prefect check format lock clean

run: $(VENV)/.run
	$(BIN)/python run.py --site local

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup

# Globus Compute pins older versions of click, dill and rich, so it has an environment of its own.
test-globus: $(GLOBUS)/.dev
	HYBRID_PARSL_REQUIRE=$(HYBRID_PARSL_REQUIRE),globus $(GLOBUS)/bin/python -m pytest tests/unit/remote tests/integration/globus

test-crates: $(VENV)/.dev $(VENV)/.crates
	HYBRID_PARSL_REQUIRE=$(HYBRID_PARSL_REQUIRE),rocrate-validator $(BIN)/python -m pytest tests/integration/crates

test-prefect: $(VENV)/.prefect
	HYBRID_PARSL_REQUIRE=$(HYBRID_PARSL_REQUIRE),prefect $(VENV)/prefect/bin/python -m pytest tests/unit/prefect \
		tests/integration/prefect "tests/docs/test_documents.py::$(BLOCKS)[docs/prefect.md]"

BLOCKS := test_the_blocks_of_a_page_work_in_their_order

check: $(VENV)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# What a release is tested with: every version pinned, every file hashed, no index named.
lock: $(VENV)/.dev
	$(BIN)/uv pip compile pyproject.toml --group build $(LOCK_OPTIONS) -o requirements.lock
	$(BIN)/uv pip compile pyproject.toml --group build --extra kubernetes -c requirements.lock \
		$(LOCK_OPTIONS) -o requirements-kubernetes.lock # of the image
	$(BIN)/uv pip compile pyproject.toml --group build --group dev --extra kubernetes --extra ibm --extra sqd --extra study \
		$(LOCK_OPTIONS) -o requirements-dev.lock # not -c requirements.lock: ibm wants an older dateutil
	$(BIN)/uv pip compile pyproject.toml --extra globus --group build --group dev --group globus \
		$(LOCK_OPTIONS) -o requirements-globus.lock
	cp requirements-dev.lock requirements-prefect.lock # the same versions wherever Prefect allows
	$(BIN)/uv pip compile pyproject.toml --group build --group dev --extra prefect \
		$(LOCK_OPTIONS) -o requirements-prefect.lock
	$(BIN)/uv pip compile --group crates $(LOCK_OPTIONS) -o requirements-crates.lock

LOCK_OPTIONS := --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--no-header --no-emit-index-url --no-emit-find-links

clean:
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: $(VENV)/bin/python requirements.lock pyproject.toml
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

# uv, a development tool, installs in a tenth of pip's time; if it fails, pip runs and reports errors.
locked = { [ -x $(BIN)/uv ] && $(BIN)/uv pip install --quiet --python $(1)/bin/python \
	--require-hashes -r $(2) 2>/dev/null; } || $(1)/bin/python -m pip install --quiet --require-hashes -r $(2)

$(VENV)/.dev: $(VENV)/.run requirements-dev.lock
	sed -n '/^uv==/,/[^\]$$/p' requirements-dev.lock >$(VENV)/uv.lock
	$(BIN)/python -m pip install --quiet --require-hashes -r $(VENV)/uv.lock
	$(call locked,$(VENV),requirements-dev.lock)
	touch $@

$(GLOBUS)/.dev: requirements-globus.lock pyproject.toml
	$(PYTHON) -m venv $(GLOBUS)
	$(call locked,$(GLOBUS),requirements-globus.lock)
	$(GLOBUS)/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

# The validator of RO-Crates wants an older rich; only tests/integration/crates calls it.
$(VENV)/.crates: requirements-crates.lock
	$(PYTHON) -m venv $(VENV)/crates
	$(call locked,$(VENV)/crates,requirements-crates.lock)
	touch $@

$(VENV)/.prefect: requirements-prefect.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)/prefect
	$(call locked,$(VENV)/prefect,requirements-prefect.lock)
	$(VENV)/prefect/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@
