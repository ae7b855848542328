# SPDX-License-Identifier: GPL-2.0
#
# Everything of this project starts here; `make' alone lists it. The rules
# are in dev/mk/, the work is done by the scripts in dev/.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# The targets share build/ and lock it; they use all CPUs themselves.
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

# V=1 shows the commands, of this Makefile and of the scripts.
export V ?= 0
Q := $(if $(filter 1,$(V)),,@)

export TOP := $(CURDIR)
export BUILD ?= $(TOP)/build
export BASE BASE_DEB FORCE JOBS

.PHONY: help
help: ## Print this list
	$(Q)dev/help.sh $(MAKEFILE_LIST)

include dev/mk/series.mk
include dev/mk/guest.mk
