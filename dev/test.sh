#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The test command.
#
#   dev/test.sh             what a developer runs before each submission, and CI
#   dev/test.sh --full      before a release: all tests there are (hours)
#   dev/test.sh --smoke     the quickest useful part
#   dev/test.sh --selftests only the kselftests
#   dev/test.sh --debug     only the kselftests, on $KERNELS, kernels with a sanitizer
#                           or other watchers, and on the machines that some of
#                           them want
#
# CI=false lets selftests be skipped. GUESTS= (as many as CPUs) is how many guests
# run at once.
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
''|--full|--smoke|--selftests|--debug)
	what=${1:-all} ;;
*)
	usage ;;
esac
# These kernels and guests have what their tests need, whatever the host is: one that
# is skipped there fails, on CI and elsewhere alike. A guest that was asked for (SMP=,
# APPEND=) may have less.
[ -n "${SMP:-}${APPEND:-}" ] || export CI="${CI:-true}"

log=$(new_results test) || die "cannot create a directory in $RESULTS"
names=() times=() cpus=() words=()
passed=0 failed=0 skipped=0

# count FILE: "PASSED FAILED SKIPPED" of its last line that counts, if any
count() {
	tr -d '\r' <"$1" | sed -nE \
		-e 's/^(.*[^0-9])?([0-9]+) passed, ([0-9]+) failed, ([0-9]+) skipped.*$/\2 \3 \4/p;t' \
		-e 's/^(.*[^0-9])?([0-9]+) passed, ([0-9]+) failed.*$/\2 \3 0/p' |
	tail -n 1
}

# record NAME SECONDS CPU PASSED FAILED SKIPPED
record() {
	names+=("$1")
	times+=("$2")
	cpus+=("$3")
	words+=("$4 passed, $5 failed, $6 skipped")
	passed=$((passed + $4))
	failed=$((failed + $5))
	skipped=$((skipped + $6))
}

# timed FILE COMMAND...: run it and write the seconds it took, of the clock and of
# CPUs, to FILE
timed() {
	local file=$1 rc

	shift
	TIMEFORMAT='%0R %U %S'
	{ time "$@" 2>&3; } 3>&2 2>"$file"
	rc=$?
	awk 'END { printf "%d %d\n", $1, $2 + $3 }' "$file" >"$file.sum"
	return $rc
}

# file_of NAME: the log of that stage, without its ending
file_of() {
	echo "$log/${1//[^a-z0-9-]/_}"
}

# progress NAME: which stage of how many
progress() {
	begun=$((begun + 1))
	say ""
	say "== $1 ($begun of $stages, $((SECONDS / 60)) min so far)"
}

# judge NAME RC: count what the stage has left in its log
judge() {
	local rc=$2 file p f s wall cpu

	file=$(file_of "$1")
	if [ "$rc" -gt 128 ]; then
		die "interrupted in $1; logs so far are in $log"
	fi
	read -r p f s <<<"$(count "$file.log")"
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
	read -r wall cpu <"$file.time.sum"
	record "$1" "$wall" "$cpu" "$p" "$f" "$s"
	return "$rc"
}

# stage NAME COMMAND...: and what it prints
stage() {
	local name=$1 file

	file=$(file_of "$1")
	shift
	progress "$name"
	timed "$file.time" "$@" 2>&1 | tee "$file.log"
	judge "$name" "${PIPESTATUS[0]}"
}

# side NAME COMMAND...: a stage that runs beside others, at most $guests at a time;
# what it prints comes when it is through
side() {
	local name=$1 file

	file=$(file_of "$1")
	shift
	while [ "$(jobs -rp | wc -l)" -ge "$guests" ]; do
		wait -n
	done
	progress "$name"
	beside+=("$name")
	{
		timed "$file.time" "$@" >"$file.log" 2>&1
		echo $? >"$file.rc"
	} &
}

# descendants PID: processes below it, the deepest first
descendants() {
	local c

	for c in $(cat "/proc/$1"/task/*/children 2>/dev/null); do
		descendants "$c"
		echo "$c"
	done
}

# Guests and what watches them must not outlive an interrupted run.
stop_beside() {
	local j pids=()

	for j in $(jobs -rp); do
		mapfile -O "${#pids[@]}" -t pids < <(descendants "$j"; echo "$j")
	done
	[ "${#pids[@]}" -eq 0 ] || kill "${pids[@]}" 2>/dev/null
}
at_exit stop_beside

# together: wait for those that run, judge them in the order in which they began
together() {
	local name

	wait
	for name in "${beside[@]}"; do
		say ""
		say "== $name"
		cat "$(file_of "$name").log"
		judge "$name" "$(cat "$(file_of "$name").rc" 2>/dev/null || echo 1)"
	done
	beside=()
}

# needs KERNEL NAME COMMAND...: a stage that has no point without the kernel
needs() {
	local kernel=$1

	shift
	if [ -n "${built[$kernel]:-}" ]; then
		side "$@"
		return
	fi
	progress "$1"
	say "not run: kernel $kernel could not be built"
	record "$1" 0 0 0 1 0
}

declare -A built=()
build() {
	if stage "kernel $1" "$DEV/guest/kernel.sh" build "$1"; then
		built[$1]=1
	fi
}

# tests KERNEL on|off|absent MODE [PROGRAM...]
tests() {
	needs "$1" "selftests $1 $2 $3" "$DEV/guest/guest.sh" selftests "$@"
}

lean_selftests() {
	tests lean-on on icount
	tests lean-on off icount
}

debug_selftests() {
	tests debug-on on icount
	races debug-on
}

# Latency under MTTCG is noise, and so is which way one waiter takes: what looks
# for races, and each way taken by somebody
races() { # KERNEL [PROGRAM...]
	local kernel=$1

	shift
	[ $# -gt 0 ] ||
		set -- churn cycle remote away sleeping handoff locks wakeup
	DONATIONS=donations,parked_asleep,parked_running,parked_blocked,injected,migrated,returned,handoffs,reparked \
	tests "$kernel" on mttcg "$@"
}

# What takes longer than a submission should wait for
full() {
	stage "unit tests" "$DEV/tests/run"
	stage "check" "$DEV/review/check.sh"
	build lean-on
	build lean-off
	build trace-on
	build debug-on
	lean_selftests
	tests lean-off absent icount
	tests trace-on on icount events observe hung
	debug_selftests
	needs debug-on "kunit" "$DEV/guest/guest.sh" kunit debug-on
	together
	needs lean-on "demo" "$DEV/guest/demo.sh"
	together
	stage "bench" "$DEV/bench/benchmark.sh" --short
	KERNELS=debug-on MINUTES=30 needs debug-on "torture" "$DEV/stress/torture.sh"
	together
	stage "model" "$DEV/stress/modelcheck.sh"
	stage "mutants" "$DEV/stress/mutate.sh"
	stage "boundaries" "$DEV/review/boundaries.sh"
}

# estimate: said at the start, from runs on two cores with nothing else to do
estimate() {
	case $what in
	all) echo "some 60 minutes the first time, 45 later" ;;
	--full) echo "several hours" ;;
	--smoke) echo "about 15 minutes the first time, 6 later" ;;
	*) echo "about 25 minutes the first time, 15 later" ;;
	esac
}

begun=0 beside=() guests=${GUESTS:-$(nproc)}
unset GUESTS		# Those below have their own.
case $guests in
''|*[!0-9]*|0) die "GUESTS=$guests: not a number" ;;
esac
case $what in
--smoke) stages=4 ;;
--selftests) stages=6 ;;
--debug) read -ra kernels <<<"$KERNELS"; stages=$((3 * ${#kernels[@]} + 2)) ;;
--full) stages=19 ;;
all) stages=12 ;;
esac
say "$stages stages; on two cores $(estimate)"

case $what in
--smoke)
	stage "unit tests" "$DEV/tests/run"
	build lean-on
	lean_selftests ;;
--selftests)
	build lean-on
	build debug-on
	lean_selftests
	debug_selftests ;;
--debug)
	for kernel in $KERNELS; do
		build "$kernel"
		tests "$kernel" on icount
		races "$kernel"
		together
	done
	# What takes a machine and a boot line of its own
	build full-on
	SMP=4,threads=2 APPEND=nohz_full=3 tests full-on on icount topology ;;
--full)
	full ;;
all)
	stage "unit tests" "$DEV/tests/run"
	stage "check" "$DEV/review/check.sh" --quick
	build lean-on
	build debug-on
	# The longest first. What races() runs is not run twice under lockdep.
	tests lean-on on icount
	tests debug-on on icount donation away bandwidth accounting events observe \
		hung
	tests lean-on off icount
	needs debug-on "kunit" "$DEV/guest/guest.sh" kunit debug-on
	# The short forms: `make demo', `make torture', `make model'
	SCENES=0 needs lean-on "demo" "$DEV/guest/demo.sh"
	together
	# Alone: what has to happen in seconds of the host must not wait for another
	# guest. away.load_avg is too long for two busy CPUs with host threads.
	races debug-on churn cycle remote sleeping handoff locks wakeup
	together
	KERNELS=debug-on MINUTES=5 needs debug-on "torture" "$DEV/stress/torture.sh"
	together
	SIGNALS=0 FAULTS=0 stage "model" "$DEV/stress/modelcheck.sh" ;;
esac
together

{
	say ""
	say "Stage                              Seconds     CPU  Results"
	for i in "${!names[@]}"; do
		printf '%-34s %7d %7d  %s\n' "${names[i]}" "${times[i]}" \
			"${cpus[i]}" "${words[i]}"
	done
	printf '%-34s %7d %7d\n' "all" "$SECONDS" \
		"$(printf '%s\n' "${cpus[@]}" | awk '{ s += $1 } END { print s + 0 }')"
	say "(logs: $log)"
	say "$passed passed, $failed failed, $skipped skipped"
} | tee "$log/summary"
# Nothing that passed is not a success.
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
