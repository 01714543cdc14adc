# Everything runs in .venv, which is made from nothing but Python 3.11 or later; choose another interpreter
# with `make demo PYTHON=python3.12` (`make clean` first if .venv exists already).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
ANSIBLES := 2.16.19 2.17.14 2.19.14
# The targets that need the servers of ../shared/servers, and mostly wait for them
INTEGRATION := openstack stores nameservers softlayer
# Where tests may be marked as campaigns: no other file need be collected, which takes six workers a minute
CAMPAIGNS = $(shell grep -rlw --include='*.py' 'mark\.campaign' tests | sed 's:/conftest\.py$$::')

# Programs that tests start, and tests themselves, are compiled once, whatever the environment says
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test campaigns integration lint docs contract interop nameservers openstack softlayer stores traffic fuzz threads faults mutations ansible bench clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1	/p' Makefile

demo: $(VENV)/.runtime ## walk through a server's life on the sandbox
	@$(BIN)/polycloud demo

test: $(VENV)/.dev ## run the tests
	$(BIN)/pytest

campaigns: $(VENV)/.dev ## run the tests that `make test` leaves out since they take long
	$(BIN)/pytest -m campaign --dist worksteal $(CAMPAIGNS)

integration: $(VENV)/.dev ## test against servers of others, which ../shared/servers starts; .ci/run does where those are
	$(MAKE) -j 2 -O $(INTEGRATION)
	$(MAKE) traffic

lint: $(VENV)/.dev ## check style, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.docs ## build the documentation's site in build/docs
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going docs build/docs
	@echo "build/docs/index.html"

contract: $(VENV)/.dev ## hold the drivers' requests against the providers' documents
	$(BIN)/pytest tests/contract tests/sandbox/test_digitalocean_contract.py

interop: $(VENV)/.interop $(VENV)-programs/.made $(VENV)-programs-peer/.made ## run programs of others: pandas, PyArrow, Zarr and Dask on objects, Django's, SQLAlchemy's, Flask's and Salt's that are written for Libcloud
	POLYCLOUD_INTEROP=all $(BIN)/pytest -n 2 tests/filesystem/test_libraries.py
	POLYCLOUD_PROGRAMS=$(VENV)-programs $(BIN)/pytest -n 0 tests/programs # it prints counts beside apache-libcloud's

nameservers: $(VENV)/.dev ## run DNS drivers on name servers of the kit in ../shared
	POLYCLOUD_NAMESERVERS=real $(BIN)/pytest -n 0 tests/nameservers

openstack: $(VENV)/.dev ## run OpenStack's driver on the real services of the kit in ../shared, and compare the sandbox, for minutes
	POLYCLOUD_OPENSTACK=real $(BIN)/pytest -n 2 tests/openstack

softlayer: $(VENV)/.dev ## run SoftLayer's driver on the server of its SDK, from the kit in ../shared
	$(BIN)/pytest -n 2 tests/contract/test_softlayer.py

stores: $(VENV)/.dev ## run storage drivers on stores of the kit in ../shared: MiniStack, Swift, SeaweedFS, Azurite, Google's emulators, for minutes
	POLYCLOUD_STORES=real $(BIN)/pytest -n 2 tests/stores tests/storage/test_swiftclient.py

traffic: $(VENV)/.dev ## send 10,000 requests in each of several ways through HAProxy while its members change, for minutes
	POLYCLOUD_TRAFFIC=long $(BIN)/pytest -n 0 --timeout 600 tests/loadbalancer/test_traffic.py

fuzz: $(VENV)/.dev ## give every parser of outside bytes odd ones, for minutes
	POLYCLOUD_FUZZ=long $(BIN)/pytest -n 2 --timeout 1800 tests/fuzz

threads: $(VENV)/.dev ## have many threads make 20,000 calls on one driver, for minutes
	POLYCLOUD_THREADS=long $(BIN)/pytest -n 0 --timeout 1800 tests/concurrency/test_threads.py

faults: $(VENV)/.dev ## make 44,000 calls while the network fails, for minutes; SEED=7 repeats a plan, ROUTES="tls proxy" names others than all
	$(BIN)/python tests/faults/campaign.py --creates 250 --others 2500 $(if $(SEED),--seed $(SEED)) $(if $(ROUTES),--routes $(ROUTES))

mutations: $(VENV)/.dev ## run all rules of compute on each mutation of a good driver, for minutes
	POLYCLOUD_MUTATIONS=long $(BIN)/pytest -n 10 --dist load --timeout 600 tests/testing/test_mutations.py

ansible: $(VENV)/.dev $(ANSIBLES:%=$(VENV)-ansible/%/.made) ## have several versions of Ansible read the inventory
	POLYCLOUD_ANSIBLE="$(ANSIBLES:%=$(VENV)-ansible/%/bin/ansible)" $(BIN)/pytest -n 2 tests/cli/test_inventory.py -k test_ansible

bench: $(VENV)/.dev $(VENV)-core/.made $(VENV)-peer/.made $(VENV)-nephoscale/.made ## measure beside apache-libcloud, for minutes; ROWS=import,call only these, JSON=FILE
	$(BIN)/python bench/compare.py $(if $(ROWS),--rows $(ROWS)) $(if $(JSON),--json $(JSON)) \
		--core $(VENV)-core/bin/python --peer $(VENV)-peer/bin/python --nephoscale $(VENV)-nephoscale/bin/python

clean: ## remove .venv and what the tools cached
	rm -rf $(VENV) $(VENV)-ansible $(VENV)-core $(VENV)-nephoscale $(VENV)-peer $(VENV)-programs $(VENV)-programs-peer .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache build dist
	find src tests -name __pycache__ -prune -exec rm -rf {} +

# A stamp is newer than what it was made from, so that a second run is quick.

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; v = "%d.%d" % sys.version_info[:2]; sys.exit(sys.version_info < (3, 11) and "polycloud needs Python 3.11 or later, and $(PYTHON) is " + v + ": try make PYTHON=python3.12" or 0)'
	@echo "making $(VENV) (once)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.runtime: $(VENV)/.made requirements/build.txt requirements/runtime.txt pyproject.toml
	@echo "installing polycloud into $(VENV)"
	@$(PIP) -r requirements/build.txt -r requirements/runtime.txt
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements/dev.txt requirements/softlayer.txt
	@echo "installing the tools of the checks into $(VENV)"
	@$(PIP) -r requirements/dev.txt
	@$(PIP) --no-deps -r requirements/softlayer.txt
	-@$(BIN)/pytest -n 0 --collect-only -qq >/dev/null # compiles the tests once, not in each of six workers
	@touch $@

$(VENV)/.docs: $(VENV)/.dev requirements/docs.txt
	@echo "installing what builds the documentation into $(VENV)"
	@$(PIP) -r requirements/docs.txt
	@touch $@

$(VENV)/.interop: $(VENV)/.dev requirements/interop.txt
	@echo "installing the libraries that use storage into $(VENV)"
	@$(PIP) -r requirements/interop.txt
	@touch $@

# Programs that import libcloud, beside Django's own tests, which only its source has
$(VENV)-programs/.made: requirements/build.txt requirements/programs.txt requirements/programs-alone.txt pyproject.toml
	@echo "installing programs written for Libcloud into $(VENV)-programs"
	@$(PYTHON) -m venv $(VENV)-programs
	@$(VENV)-programs/bin/python -m pip install --quiet --disable-pip-version-check -r requirements/build.txt -r requirements/programs.txt
	@$(VENV)-programs/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements/programs-alone.txt
	@$(VENV)-programs/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(VENV)-programs/bin/python -m pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: \
		-c requirements/programs.txt -d $(VENV)-programs/sources django && \
		tar -xzf $(VENV)-programs/sources/django-*.tar.gz -C $(VENV)-programs/sources --strip-components 1 || \
		echo "no source of Django could be had: its tests are skipped"
	@touch $@

$(VENV)-programs-peer/.made: requirements/programs.txt requirements/programs-alone.txt requirements/programs-peer.txt
	@$(PYTHON) -m venv $(VENV)-programs-peer
	@$(VENV)-programs-peer/bin/python -m pip install --quiet --disable-pip-version-check -r requirements/programs-peer.txt
	@$(VENV)-programs-peer/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements/programs-alone.txt
	@touch $@

# As `pip install polycloud` makes it: polycloud and its own dependencies
$(VENV)-core/.made: requirements/build.txt requirements/runtime.txt pyproject.toml
	@$(PYTHON) -m venv $(VENV)-core
	@$(VENV)-core/bin/python -m pip install --quiet --disable-pip-version-check -r requirements/build.txt
	@$(VENV)-core/bin/python -m pip install --quiet --disable-pip-version-check --no-build-isolation \
		-c requirements/runtime.txt -e .
	@touch $@

$(VENV)-peer/.made: requirements/peer.txt
	@$(PYTHON) -m venv $(VENV)-peer
	@$(VENV)-peer/bin/python -m pip install --quiet --disable-pip-version-check -r requirements/peer.txt
	@touch $@

$(VENV)-nephoscale/.made: requirements/peer-nephoscale.txt
	@$(PYTHON) -m venv $(VENV)-nephoscale
	@$(VENV)-nephoscale/bin/python -m pip install --quiet --disable-pip-version-check \
		-r requirements/peer-nephoscale.txt
	@touch $@

$(VENV)-ansible/%/.made: requirements/ansible.txt
	@$(PYTHON) -m venv $(VENV)-ansible/$*
	@$(VENV)-ansible/$*/bin/python -m pip install --quiet --disable-pip-version-check \
		-r requirements/ansible.txt ansible-core==$*
	@touch $@
