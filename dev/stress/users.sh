#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The series' tests as the kernel's own users run them, in the tree of make tree:
#
#   dev/stress/users.sh
#
#   kunit.py run --kunitconfig=kernel/sched, as user mode Linux, with one CPU, and
#   with --arch=x86_64 and SMP under QEMU
#   make -C tools/testing/selftests TARGETS=proxy_exec run_tests, on this machine,
#   where each program has to skip and say why: without the feature, or, as the test
#   module is not built here, without that
#
# make deb has run_kselftest.sh from an installed directory, in a guest, where they
# run.

set -u
# shellcheck source=dev/guest/guest-lib.sh
. "$(dirname "$0")/../guest/guest-lib.sh"

work=$BUILD/users
passed=0 failed=0
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES

# good WHAT / bad WHAT
good() {
	say "ok   $1"
	passed=$((passed + 1))
}

bad() {
	say "FAIL $1"
	failed=$((failed + 1))
}

# kunit NAME CASES ARGUMENT...: all of the CASES have to run
kunit() {
	local name=$1 cases=$2 log=$BUILD/log/users-kunit-$1.log last

	shift 2
	say "-- kunit.py run --kunitconfig=kernel/sched $* ..."
	(cd "$KSRC" && tools/testing/kunit/kunit.py run \
		--kunitconfig=kernel/sched --build_dir="$work/kunit-$name" \
		--jobs="$(job_count)" --timeout=600 "$@") >"$log" 2>&1
	last=$(sed -n 's/.*Testing complete\. //p' "$log")
	if [ "$last" = "Ran $cases tests: passed: $cases" ]; then
		good "kunit.py, $name: $last"
	else
		bad "kunit.py, $name: ${last:-no tests}, not all of $cases (log: $log)"
	fi
}

# How many there are with one CPU, and in all
cases() {
	awk -v smp="$1" '
		/^#ifdef CONFIG_SMP/ { in_smp = 1 }
		/^#endif/ { in_smp = 0 }
		/^\tKUNIT_CASE/ && (smp || !in_smp) { n++ }
		END { print n }' "$KSRC/kernel/sched/proxy_test.c"
}

kselftest() {
	local log=$BUILD/log/users-kselftest.log n skips why

	say "-- make TARGETS=proxy_exec run_tests ..."
	rm -rf "$work/kselftest"
	mkdir -p "$work/kselftest"
	# No module of ours gets into the kernel of this machine.
	make -C "$KSRC/tools/testing/selftests" O="$work/kselftest" \
		KDIR=/nonexistent TARGETS=proxy_exec run_tests >"$log" 2>&1 ||
		{ bad "run_tests fails (log: $log)"; return; }
	n=$(grep -cE '^(not )?ok [0-9]+ selftests: proxy_exec: ' "$log")
	skips=$(grep -cE '^ok [0-9]+ selftests: proxy_exec: .* # SKIP' "$log")
	why=$(sed -n 's/^# 1\.\.0 # SKIP //p' "$log" | sort | uniq -c |
		sed 's/^ *\([0-9]*\) /\1: /' | paste -sd';')
	if [ "$n" -lt 10 ] || grep -q '^not ok' "$log"; then
		bad "run_tests: $n programs, or one fails (log: $log)"
	elif [ "$skips" -eq "$n" ]; then
		good "run_tests: $n programs, $skips skipped: $why"
	else
		bad "run_tests: only $skips of $n programs skip (log: $log)"
	fi
}

[ -f "$KSRC/kernel/sched/proxy_test.c" ] ||
	die "no series in $KSRC: run 'make tree' first"
need_tool gcc
need_tool make
need_tool python3
need_tool qemu-system-x86_64 qemu-system-x86
mkdir -p "$work" "$BUILD/log"
kunit um "$(cases '')"
kunit x86_64-smp "$(cases 1)" --arch=x86_64 --kconfig_add CONFIG_SMP=y
kselftest
say "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
