# Everything is set up in .venv by the target that needs it. Another Python: make test PYTHON=python3.12
# Some tests only: make test TESTS=tests/checkpoint ARGS="-k images"

.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
# Without a wish of the caller's, a .venv that is there keeps its Python.
ifeq ($(origin PYTHON),undefined)
PYTHON := $(if $(wildcard $(BIN)/python),$(BIN)/python,python3)
endif

# What .venv is made from names its stamps, so that after a change of it a stamp is missing and all is installed anew.
PYTHON_VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2> /dev/null)
SOURCES := $(shell cat setup.py setup.cfg constraints.txt $(OVER) | cksum | tr ' ' -)
MADE := $(VENV)/made-with-python-$(PYTHON_VERSION)
READY := $(VENV)/ready-$(PYTHON_VERSION)-$(SOURCES)
# OVER, where given, is a file of constraints that take the place of their lines in constraints.txt.
CONSTRAINTS := $(if $(OVER),$(VENV)/)constraints.txt
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint $(CONSTRAINTS)

# ROS comes as wheels, which there are for this kind of machine only; elsewhere the nodes are tested with an installed ROS.
WHEELS := $(filter Linux-x86_64,$(shell uname -sm | tr ' ' -))

# What of the tests needs no ROS and is not about developing either.
CORE := $(addprefix tests/,checkpoint images graphs runtime skills context journal generation planning verification execution tabletop cli launch soak) \
    $(wildcard tests/test_*.py)

.PHONY: image secure-test help demo test core ros colcon oracle fuzz mutants soak lint bench clean

help: ## this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

demo: ros ## a task, its plan, an arm at work, a slip, the next plan, the goal reached; SHOW=1 leaves them running
	$(BIN)/python -m dgemma_ros.nodes.demo $(if $(SHOW),--show) $(ARGS)

test: $(READY)/test $(if $(WHEELS),ros) ## the tests; needs no GPU, no ROS installation and no torch
	$(BIN)/python -m pytest $(or $(TESTS),tests --ignore=tests/oracle) $(ARGS)

core: ## the tests that need no ROS, with the versions that Ubuntu 24.04 packages: numpy 1.26, OpenCV 4.6
	$(MAKE) --no-print-directory test PYTHON=$(PYTHON) VENV=.venv-ubuntu OVER=constraints-ubuntu.txt WHEELS= \
	    TESTS="$(or $(TESTS),$(CORE))"

ros: $(READY)/ros ## ROS 2 Jazzy and the interfaces, into .venv
	$(BIN)/python msg/build.py

colcon: $(READY)/test ros ## both packages built by colcon in a workspace, with the ROS in .venv
	$(INSTALL) --target build/colcon --upgrade colcon-common-extensions
	touch build/COLCON_IGNORE
	PYTHONPATH=$(CURDIR)/build/colcon $(BIN)/python -m pytest tests/launch/test_colcon.py $(ARGS)

oracle: $(READY)/oracle ## compares with transformers, live; GOLDEN=1 makes the checked-in golden values anew
ifdef GOLDEN
	for maker in $(patsubst tests/oracle/%.py,%,$(wildcard tests/oracle/golden*.py)); do \
	    $(BIN)/python -m tests.oracle.$$maker; \
	done
else
	$(BIN)/python -m pytest $(or $(TESTS),tests/oracle) $(ARGS)
endif

fuzz: $(READY)/test ## every parser of untrusted input on mutated inputs, SECONDS=60 each
	FUZZ_SECONDS=$(or $(SECONDS),60) $(BIN)/python -m pytest tests/fuzz $(ARGS)

mutants: $(READY)/test ## small changes to the cores that the tests should notice, MINUTES=10 of them, SEED=0; lists survivors
	$(BIN)/python -m tests.mutants --minutes $(or $(MINUTES),10) --seed $(or $(SEED),0) $(ARGS)

soak: $(READY)/test ros ## real nodes tormented at random for MINUTES=30, SEED=…, and what was promised judged
	$(BIN)/python -m tests.soak --minutes $(or $(MINUTES),30) $(if $(SEED),--seed $(SEED)) $(ARGS)

image: ## the cpu image built, and the demo run in it: docker, or buildah and root; SUITE=noble, BASE=…, IMAGE_ARGS=…
	docker/image.sh

# SECURED is the prefix of a Fast DDS and rmw_fastrtps_cpp that have DDS security, and of sros2: docs/security.md.
# What the ROS wheels do for themselves, put all their libraries on the path, is done here, behind those of SECURED.
secure-test: $(READY)/test $(if $(WHEELS),ros) ## DDS security: policies held to running nodes; SECURED=PREFIX: all of them with keys and without
	$(BIN)/python -m pytest tests/nodes/test_security.py $(ARGS)
ifdef SECURED
	libraries=$$(printf ':%s' $(abspath $(VENV))/lib $(abspath $(VENV))/lib/python3*/site-packages/ros_*.libs) && \
	    LD_LIBRARY_PATH=$(SECURED)/lib$$libraries _ROS_WHEELS_BOOTSTRAP_COMPLETE=1 \
	    AMENT_PREFIX_PATH=$(SECURED):$(abspath $(VENV)) PYTHONPATH=$(CURDIR)$$(printf ':%s' $(SECURED)/lib/python3*/site-packages) \
	    $(BIN)/python -m pytest tests/nodes/secured.py $(ARGS)
endif

lint: $(READY)/lint ## ruff, mypy and import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)/oracle $(if $(WHEELS),ros) ## speeds, next to transformers on the same machine
	$(BIN)/python -m benchmarks $(ARGS)

clean: ## removes .venv and whatever else was made here
	rm -rf $(VENV) .venv-ubuntu build install log *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(MADE):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null || { \
		    echo "$(PYTHON) is Python $(or $(PYTHON_VERSION),nothing that runs), but 3.11 or newer is needed:" \
	        "make PYTHON=python3.12" >&2; exit 1; }
	@echo "Setting up $(VENV) with Python $(PYTHON_VERSION)" >&2
	@# By its real name: $(PYTHON) may be the very .venv that goes.
	base=$$($(PYTHON) -c 'import os, sys; print(os.path.realpath(sys.executable))'); \
	    rm -rf $(VENV); "$$base" -m venv $(VENV)
	touch $@

$(READY)/%: | $(MADE)
	@echo "Installing what 'make $*' needs; this can take some minutes" >&2
	@# The package is built with what is pinned too, not with whatever is newest on the day.
	$(if $(OVER),awk -F== 'NR == FNR {own[$$1]; print; next} !($$1 in own)' $(OVER) constraints.txt > $(CONSTRAINTS))
	$(INSTALL) setuptools wheel
	$(INSTALL) --no-build-isolation --editable '.[$*]'
	find $(VENV) -maxdepth 1 -name 'ready-*' ! -path $(READY) -exec rm -rf {} +
	mkdir -p $(READY) && touch $@
