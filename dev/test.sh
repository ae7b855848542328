#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The test command: everything, or the quickest useful part, or only the
# kselftests, or these on $KERNELS, kernels with a sanitizer or other watchers,
# and then those that take other hardware.
#
#   dev/test.sh [--smoke|--selftests|--debug]
#
# CI=false lets selftests be skipped.
#
# Every stage ends with a line "... N passed, N failed[, N skipped]", which
# counts what it ran; the last line here adds them up. A stage that fails
# without such a line counts as one failure, one that succeeds without, as one
# success. All stages run even if one fails; only what needs a kernel that
# could not be built does not, and counts as failed. Builds and the source
# tree are those of dev/guest/kernel.sh and `make tree'.

set -u
# shellcheck source=dev/guest/guest-lib.sh
. "$(dirname "$0")/guest/guest-lib.sh"

case ${1:-} in
''|--smoke|--selftests|--debug)
	what=${1:-all} ;;
*)
	usage ;;
esac
# These kernels and guests have what their tests need, whatever the host is: one that
# is skipped there fails, on CI and elsewhere alike. A guest that was asked for (SMP=,
# APPEND=) may have less.
[ -n "${SMP:-}${APPEND:-}" ] || export CI="${CI:-true}"

log=$(new_results test) || die "cannot create a directory in $RESULTS"
names=() times=() words=()
passed=0 failed=0 skipped=0

# count FILE: "PASSED FAILED SKIPPED" of its last line that counts, if any
count() {
	tr -d '\r' <"$1" | sed -nE \
		-e 's/^(.*[^0-9])?([0-9]+) passed, ([0-9]+) failed, ([0-9]+) skipped.*$/\2 \3 \4/p;t' \
		-e 's/^(.*[^0-9])?([0-9]+) passed, ([0-9]+) failed.*$/\2 \3 0/p' |
	tail -n 1
}

# record NAME SECONDS PASSED FAILED SKIPPED
record() {
	names+=("$1")
	times+=("$2")
	words+=("$3 passed, $4 failed, $5 skipped")
	passed=$((passed + $3))
	failed=$((failed + $4))
	skipped=$((skipped + $5))
}

# stage NAME COMMAND...
stage() {
	local name=$1 start rc p f s
	local file=$log/${name//[^a-z0-9-]/_}.log

	shift
	start=$(now)
	say ""
	say "== $name"
	"$@" 2>&1 | tee "$file"
	rc=${PIPESTATUS[0]}
	if [ "$rc" -gt 128 ]; then
		die "interrupted in $name; logs so far are in $log"
	fi
	read -r p f s <<<"$(count "$file")"
	if [ -z "${p:-}" ]; then
		p=0 f=0 s=0
		[ "$rc" -ne 0 ] || p=1
	fi
	if [ "$rc" -ne 0 ] && [ "$f" -eq 0 ]; then
		f=1
	fi
	if [ "$rc" -eq 0 ] && [ "$f" -ne 0 ]; then
		rc=1
	fi
	record "$name" $(($(now) - start)) "$p" "$f" "$s"
	return "$rc"
}

# needs KERNEL NAME COMMAND...: a stage that has no point without the kernel
needs() {
	local kernel=$1

	shift
	if [ -n "${built[$kernel]:-}" ]; then
		stage "$@"
		return
	fi
	say ""
	say "== $1: not run, kernel $kernel could not be built"
	record "$1" 0 0 1 0
}

declare -A built=()
build() {
	stage "kernel $1" "$DEV/guest/kernel.sh" build "$1" && built[$1]=1
}

# tests KERNEL on|off|absent MODE [PROGRAM...]
tests() {
	needs "$1" "selftests $1 $2 $3" "$DEV/guest/guest.sh" selftests "$@"
}

all_selftests() {
	tests lean-on on icount
	tests lean-on off icount
	tests lean-off absent icount
	tests trace-on on icount events observe hung
	tests debug-on on icount
	races debug-on
}

# Latency under MTTCG is noise, and so is which way one waiter takes: what looks
# for races, and each way taken by somebody
races() {
	DONATIONS=donations,parked_asleep,parked_running,parked_blocked,injected,migrated,returned,handoffs,reparked \
	tests "$1" on mttcg churn cycle remote away sleeping handoff locks \
		wakeup
}

all_kernels() {
	build lean-on
	build lean-off
	build trace-on
	build debug-on
}

case $what in
--smoke)
	stage "unit tests" "$DEV/tests/run"
	build lean-on
	tests lean-on on icount
	tests lean-on off icount ;;
--selftests)
	all_kernels
	all_selftests ;;
--debug)
	for kernel in $KERNELS; do
		build "$kernel"
		tests "$kernel" on icount
		races "$kernel"
	done
	# What takes a machine and a boot line of its own
	build full-on
	SMP=4,threads=2 APPEND=nohz_full=3 tests full-on on icount topology ;;
all)
	stage "unit tests" "$DEV/tests/run"
	stage "check" "$DEV/review/check.sh"
	all_kernels
	all_selftests
	needs debug-on "kunit" "$DEV/guest/guest.sh" kunit debug-on
	needs lean-on "demo" "$DEV/guest/demo.sh"
	# The short forms: `make bench', `make torture', `make model', `make mutants'
	stage "bench" "$DEV/bench/benchmark.sh" --short
	KERNELS=debug-on MINUTES=5 needs debug-on "torture" "$DEV/stress/torture.sh"
	SIGNALS=0 stage "model" "$DEV/stress/modelcheck.sh"
	SAMPLE=3 needs lean-on "mutants" "$DEV/stress/mutate.sh" ;;
esac

{
	say ""
	say "Stage                              Seconds  Results"
	for i in "${!names[@]}"; do
		printf '%-34s %7d  %s\n' "${names[i]}" "${times[i]}" \
			"${words[i]}"
	done
	printf '%-34s %7d\n' "all" "$SECONDS"
	say "(logs: $log)"
	say "$passed passed, $failed failed, $skipped skipped"
} | tee "$log/summary"
# Nothing that passed is not a success.
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
