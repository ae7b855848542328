# SPDX-License-Identifier: GPL-2.0
# Kernels, guests and tests. A target with a `##' comment is in `make help'.
# Variables: CONFIG= a name of dev/config/configs, PROXY=on|off, MODE=icount|
# mttcg, SMP=, MEM=, APPEND=, TIMEOUT=, ACCEL=kvm, K=, MINUTES=, SEED=,
# KERNELS=, ROUNDS=, GUESTS=, WRITE=1; of bench A=, B=, PHASES=; of
# deb DOTCONFIG=, FLAVOUR=, TRIM=1, LSMOD=, BOOT=0.

.PHONY: demo test smoke config kernel boot shell run trace report selftests selftests-debug torture kunit users boundaries mutants model bench matrix deb

CONFIG ?= lean-on
GUEST_DEPS := deps-base deps-build deps-guest
export CONFIG KERNELS PROXY MODE SMP MEM APPEND TIMEOUT ACCEL K MINUTES SEED ROUNDS PHASE \
	A B PHASES GUESTS WRITE DOTCONFIG FLAVOUR TRIM LSMOD BOOT
unexport CMD

demo: $(GUEST_DEPS) tree ## A priority inversion, its size and its cure, in one table
	$(Q)dev/demo

test: $(DEPS) tree ## Unit tests, checks, selftests, short forms of the rest
	$(Q)dev/test

config: $(GUEST_DEPS) tree ## Configure a kernel: CONFIG=name (dev/kernel list)
	$(Q)dev/kernel config '$(CONFIG)'

kernel: $(GUEST_DEPS) tree ## Build a kernel and its selftests: CONFIG=
	$(Q)dev/kernel build '$(CONFIG)'

boot: kernel ## Boot it and judge the boot: CONFIG= PROXY=on|off MODE=
	$(Q)dev/boot

shell: kernel ## Boot it with a shell on this terminal: CONFIG= PROXY=
	$(Q)dev/boot --shell

run: export GUEST_CMD = $(value CMD)
run: kernel ## Run a command in a guest: CMD='...' CONFIG= PROXY= MODE=
	$(Q)dev/run "$$GUEST_CMD"

trace: $(GUEST_DEPS) tree ## An inversion recorded and drawn, off and on: K=scene (K=list)
	$(Q)dev/trace $(K)

report: ## Newest results of demo, trace, bench, torture... in one page
	$(Q)dev/report

smoke: $(GUEST_DEPS) tree ## The quickest useful tests, some minutes
	$(Q)dev/test --smoke

selftests: $(GUEST_DEPS) tree ## The kselftests on every kernel they are for
	$(Q)dev/test --selftests

selftests-debug: $(GUEST_DEPS) tree ## The kselftests with sanitizers and watchers: KERNELS=
	$(Q)dev/test --debug

torture: $(GUEST_DEPS) tree ## Lock torture: K=scenario KERNELS= MINUTES= SEED= GUESTS=
	$(Q)for k in $$(dev/torture kernels); do dev/kernel build $$k || exit 1; done
	$(Q)dev/torture

kunit: $(GUEST_DEPS) tree ## KUnit tests of the walk and the lists
	$(Q)dev/kernel build debug-on
	$(Q)dev/kunit

users: $(GUEST_DEPS) tree ## KUnit and kselftest as the kernel's own users run them
	$(Q)dev/users

boundaries: $(GUEST_DEPS) tree ## Each part of the series for itself: WRITE=1
	$(Q)dev/boundaries

mutants: $(GUEST_DEPS) tree ## Faults planted one by one: does a test notice? K=name
	$(Q)dev/mutate

model: deps-model ## The protocol, checked by spin, and faults that it must find
	$(Q)dev/modelcheck

bench: $(GUEST_DEPS) deps-bench tree ## What it costs, in virtual time: K='switch pair' A= B= PHASES=
	$(Q)dev/benchmark $(K)

matrix: $(GUEST_DEPS) deps-matrix tree ## Machines, compilers, configurations: K=pattern WRITE=1
	$(Q)dev/matrix

deb: $(GUEST_DEPS) deps-deb tree ## Debian packages, and a boot of them: DOTCONFIG= TRIM=1
	$(Q)dev/deb
