# Everything a contributor or a newcomer types. `make up` and `make test` need Python 3.11 and make.

PYTHON ?= python3
VENV := .venv
UV := $(shell command -v uv 2>/dev/null || echo .tools/bin/uv)
PY := $(VENV)/bin/python
COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
  --no-header --no-annotate --no-emit-index-url

.PHONY: up demo test check lint bench chaos audit lock clean

up: $(VENV)/.up  ## run the platform in the foreground
	$(VENV)/bin/cdp up

demo: $(VENV)/.up  ## play a real dataset through the whole system
	$(VENV)/bin/cdp demo

check: lint  ## seconds: style, types, layout, unit tests
	$(PY) -m pytest tests/unit -q

lint: $(VENV)/.dev  ## style, types, layout
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

# What is tried of the API is made by walking over sets: there alone their order is fixed.
TRIED := tests/acceptance/test_openapi.py
# As many at once as there are cores; each has servers of its own.
PARALLEL := -n logical --maxprocesses 4 --dist worksteal
test: lint  ## everything; what is missing on this machine is skipped with the reason
	HYPOTHESIS_PROFILE=full $(PY) -m pytest tests -q $(PARALLEL) --ignore $(TRIED)
	PYTHONHASHSEED=0 $(PY) -m pytest $(TRIED) -q

bench: $(VENV)/.dev  ## the figures, each beside its floor
	$(PY) -m bench

chaos: $(VENV)/.dev  ## faults under load, and a checker that knows what was sent; half an hour
	$(PY) -m tests.chaos $(FAULTS)

audit: $(UV)  ## ask PyPI about known vulnerabilities; no answer is not a pass
	$(UV) tool run --quiet pip-audit@2.10.1 --strict -s pypi --require-hashes --disable-pip \
	  --progress-spinner off -r requirements.lock

lock: $(UV)  ## pin everything again, by version and hash, without addresses
	$(COMPILE) --upgrade pyproject.toml --extra dev -o requirements-dev.lock
	$(COMPILE) --upgrade pyproject.toml -c requirements-dev.lock -o requirements.lock

$(VENV)/.up: requirements.lock pyproject.toml | $(UV)
	test -x $(PY) || $(UV) venv --quiet --python $(PYTHON) $(VENV)
	$(UV) pip install --quiet --compile-bytecode --python $(PY) --require-hashes -r requirements.lock
	$(UV) pip install --quiet --python $(PY) --no-deps -e .
	touch $@

$(VENV)/.dev: requirements-dev.lock pyproject.toml | $(UV)
	test -x $(PY) || $(UV) venv --quiet --python $(PYTHON) $(VENV)
	$(UV) pip install --quiet --compile-bytecode --python $(PY) --require-hashes -r requirements-dev.lock
	$(UV) pip install --quiet --python $(PY) --no-deps -e .
	touch $@ $(VENV)/.up

.tools/bin/uv:
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --target .tools uv

clean:
	rm -rf $(VENV) .tools .cdp node_modules
