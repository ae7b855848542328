# SPDX-License-Identifier: GPL-2.0
# The series and housekeeping. A target with a `##' comment is in `make help'.

.PHONY: tree refresh check bisect-check drift apply range-diff send-dry-run deps \
	clean distclean

tree: deps-base ## Patches to commits in build/linux; BASE=newest: pin is gone
	$(Q)dev/series/tree.sh

refresh: ## Commits of build/linux back to patches/ and the overlay
	$(Q)dev/series/refresh.sh

check: deps-check ## Consistency, style and compilation of each patch
	$(Q)dev/review/check.sh

bisect-check: deps-check ## A full kernel of each patch, option on and off
	$(Q)dev/review/check.sh bisect

drift: deps-build deps-guest tree ## The series on each 6.12 that the archive has
	$(Q)dev/series/drift.sh --boot

apply: ## Put the series on a branch of your own 6.12 tree: LINUX=dir
	$(Q)LINUX='$(LINUX)' dev/series/apply.sh

range-diff: tree ## How the series differs from what it was: FROM=tag-or-commit
	$(Q)dev/series/range-diff.sh '$(FROM)'

send-dry-run: deps-send tree ## What would be mailed, and to whom: PART=n
	$(Q)dev/series/send.sh '$(PART)'

deps: ## Install the Debian packages that are missing
	$(Q)dev/deps.sh all

# Before a target that needs them; nothing is installed when nothing is missing.
DEPS := deps-base deps-build deps-guest deps-unit deps-check deps-model
.PHONY: $(DEPS) deps-bench deps-cover deps-matrix deps-deb deps-send deps-report deps-fresh
$(DEPS) deps-bench deps-cover deps-matrix deps-deb deps-send deps-report deps-fresh: deps-%:
	$(Q)dev/deps.sh $*

clean: ## Remove what was built; keep downloads and build/linux
	$(Q)dev/clean.sh

distclean: ## Remove build/; refuses when build/linux has work (FORCE=1)
	$(Q)dev/clean.sh all
