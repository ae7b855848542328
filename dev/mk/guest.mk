# SPDX-License-Identifier: GPL-2.0
# Kernels, guests and tests. A target with a `##' comment is in `make help'.
# Variables: CONFIG= a name of dev/guest/config/configs, PROXY=on|off, MODE=icount|
# mttcg, SMP=, MEM=, APPEND=, TIMEOUT=, ACCEL=kvm, K=, MINUTES=, SEED=,
# KERNELS=, ROUNDS=, GUESTS=, WRITE=1; of bench A=, B=, PHASES=; of fresh ONLY=,
# CMDS=, PLANT=, KEEP=1; of deb DOTCONFIG=, FLAVOUR=, TRIM=1, LSMOD=, BOOT=0.

.PHONY: demo test test-full fresh smoke config kernel boot shell run trace report report-check selftests selftests-debug torture kunit users boundaries mutants coverage model bench matrix deb

CONFIG ?= lean-on
GUEST_DEPS := deps-base deps-build deps-guest
export CONFIG KERNELS PROXY MODE SMP MEM APPEND TIMEOUT ACCEL K MINUTES SEED ROUNDS PHASE \
	A B PHASES GUESTS WRITE ONLY CMDS PLANT KEEP DOTCONFIG FLAVOUR TRIM LSMOD BOOT
unexport CMD

demo: $(GUEST_DEPS) tree ## A priority inversion, its size and its cure, in one table
	$(Q)dev/guest/demo.sh

test: $(DEPS) tree ## Before a submission: checks, selftests, a bit of the rest
	$(Q)dev/test.sh

test-full: $(DEPS) deps-bench tree ## Before a release: every test there is, hours
	$(Q)dev/test.sh --full

fresh: deps-fresh ## Demo and test on a new Debian 12, with times: ONLY=demo|test
	$(Q)dev/fresh.sh

config: $(GUEST_DEPS) tree ## Configure a kernel: CONFIG=name (dev/guest/kernel.sh list)
	$(Q)dev/guest/kernel.sh config '$(CONFIG)'

kernel: $(GUEST_DEPS) tree ## Build a kernel and its selftests: CONFIG=
	$(Q)dev/guest/kernel.sh build '$(CONFIG)'

boot: kernel ## Boot it and judge the boot: CONFIG= PROXY=on|off MODE=
	$(Q)dev/guest/guest.sh boot

shell: kernel ## Boot it with a shell on this terminal: CONFIG= PROXY=
	$(Q)dev/guest/guest.sh shell

run: export GUEST_CMD = $(value CMD)
run: kernel ## Run a command in a guest: CMD='...' CONFIG= PROXY= MODE=
	$(Q)dev/guest/guest.sh run "$$GUEST_CMD"

trace: $(GUEST_DEPS) tree ## An inversion recorded and drawn, off and on: K=scene (K=list)
	$(Q)dev/guest/guest.sh trace $(K)

report: ## Newest results of demo, trace, bench, torture... in one page
	$(Q)dev/results/report.py

report-check: deps-report ## What a browser makes of that page
	$(Q)dev/tests/run dev/tests/guest/browse_report

smoke: $(GUEST_DEPS) deps-unit tree ## The quickest useful tests, some minutes
	$(Q)dev/test.sh --smoke

selftests: $(GUEST_DEPS) tree ## The kselftests on every kernel they are for
	$(Q)dev/test.sh --selftests

selftests-debug: $(GUEST_DEPS) tree ## The kselftests with sanitizers and watchers: KERNELS=
	$(Q)dev/test.sh --debug

torture: $(GUEST_DEPS) tree ## Lock torture: K=scenario KERNELS= MINUTES= SEED= GUESTS=
	$(Q)for k in $$(dev/stress/torture.sh kernels); do \
		dev/guest/kernel.sh build $$k || exit 1; done
	$(Q)dev/stress/torture.sh

kunit: $(GUEST_DEPS) tree ## KUnit tests of the walk and the lists
	$(Q)dev/guest/kernel.sh build debug-on
	$(Q)dev/guest/guest.sh kunit

users: $(GUEST_DEPS) tree ## KUnit and kselftest as the kernel's own users run them
	$(Q)dev/stress/users.sh

boundaries: $(GUEST_DEPS) tree ## Each part of the series for itself: WRITE=1
	$(Q)dev/review/boundaries.sh

mutants: $(GUEST_DEPS) tree ## Faults planted one by one: does a test notice? K=name
	$(Q)dev/stress/mutate.sh

coverage: $(GUEST_DEPS) deps-cover tree ## Lines and branches that the tests reach: MINUTES= (torture)
	$(Q)dev/guest/kernel.sh build cover-on
	$(Q)dev/stress/coverage.sh

model: deps-model ## The protocol, checked by spin, and faults that it must find
	$(Q)dev/stress/modelcheck.sh

bench: $(GUEST_DEPS) deps-bench tree ## What it costs, in virtual time: K='switch pair' A= B= PHASES=
	$(Q)dev/bench/benchmark.sh $(K)

matrix: $(GUEST_DEPS) deps-matrix tree ## Machines, compilers, configurations: K=pattern WRITE=1
	$(Q)dev/review/matrix.sh

deb: $(GUEST_DEPS) deps-deb tree ## Debian packages, and a boot of them: DOTCONFIG= TRIM=1
	$(Q)dev/deb/deb.sh
