#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Boot a kernel that is built, for one purpose.
#
#   dev/guest/guest.sh boot            judge the boot
#   dev/guest/guest.sh shell           a shell on this terminal
#   dev/guest/guest.sh run 'COMMAND'   print its output, exit with its status
#   dev/guest/guest.sh selftests CONFIG on|off|absent icount|mttcg [PROGRAM...]
#   dev/guest/guest.sh kunit [CONFIG]  (debug-on) our KUnit tests, each counted
#   dev/guest/guest.sh trace [SCENE]   record one inversion, off and on; draw both
#   dev/guest/guest.sh trace list
#
# SMP=, MEM=, APPEND= and TIMEOUT= (seconds) are for all verbs; boot, shell and run
# also take CONFIG= (lean-on), PROXY= (on, off) and MODE= (icount, mttcg).
#
# selftests runs the programs of tools/testing/selftests/proxy_exec. on: all but the
# controls, but those for which the kernel was not configured (events, hung), and
# but accounting where time means nothing. off (boot parameter) and absent (not
# configured): the controls, which are named *_off. DONATIONS= as in qemu.sh.
#
# SCENE is a variant of scenes.c there, default other_fifo; PHASE= another phase of
# the round. trace builds its kernel itself and writes build/results/trace-SCENE.svg,
# .txt and .json for each boot, and the traces, .off.trace.gz and .on.trace.gz.

set -u
# shellcheck source=dev/guest/guest-lib.sh
. "$(dirname "$0")/guest-lib.sh"

opts=()
[ -z "${SMP:-}" ] || opts+=(--smp "$SMP")
[ -z "${MEM:-}" ] || opts+=(--mem "$MEM")
[ -z "${APPEND:-}" ] || opts+=(--append "$APPEND")
qemu() {
	"$DEV/guest/qemu.sh" "${opts[@]}" "$@"
}

# any MODE SECONDS: options for a guest that may do as it likes
any() {
	[ -z "${PROXY:-}" ] || opts+=(--proxy "$PROXY")
	opts+=(--mode "${MODE:-$1}" --timeout "${TIMEOUT:-$2}" --donations any
	       --skips allowed)
}

verb_boot() {
	any icount 300
	exec "$DEV/guest/qemu.sh" "${opts[@]}" "${CONFIG:-lean-on}" \
		"$DEV/guest/inside/jobs/boot" boot
}

verb_shell() {
	any mttcg 0		# A person types: real time.
	exec "$DEV/guest/qemu.sh" "${opts[@]}" --shell "${CONFIG:-lean-on}"
}

verb_run() {
	local rc dir status

	any icount 600
	make_jobdir
	[ -n "${1:-}" ] ||
		die "nothing to run: make run CMD='uname -a'"
	printf '%s\n' "$1" >"$JOBDIR/cmd"
	qemu "${CONFIG:-lean-on}" "$JOBDIR/cmd" run >"$JOBDIR/out"
	rc=$?
	[ "$rc" -lt 129 ] || exit "$rc"
	dir=$(tail -n 1 "$JOBDIR/out")
	if [ ! -f "$dir/results" ]; then
		cat "$JOBDIR/out"
		exit 1
	fi
	sed -n '2p' "$JOBDIR/out"
	tr -d '\r' <"$dir/results" | sed '1,/^@@job$/d; /^@@job-end/,$d'
	status=$(tr -d '\r' <"$dir/results" | sed -n 's/^@@job-end rc=//p')
	if grep '^FAIL run: ' "$dir/verdict" |
	   grep -v "the guest's job exited with status"; then
		status=${status:-1}
		[ "$status" -ne 0 ] || status=1
	fi
	say "exit status ${status:=1} ($dir)"
	exit "$status"
}

# configured CONFIG SYMBOL: is it in this kernel?
configured() {
	grep -qx "CONFIG_$2=y" "$BUILD/o/$1/.config"
}

# programs CONFIG PROXY TIMING: the selftests that this kernel is for
programs() {
	local list=$BUILD/o/$1/kselftest_install/kselftest-list.txt

	[ -f "$list" ] || die "no selftests in ${list%/*}:" \
		"run 'make kernel CONFIG=$1'"
	sed -n 's/^proxy_exec://p' "$list" | case $2 in
	on) grep -v '_off$' ;;
	off|absent) grep '_off$' ;;
	esac | while read -r name; do
		case $name in
		events) configured "$1" EVENT_TRACING || continue ;;
		hung) configured "$1" DETECT_HUNG_TASK || continue ;;
		accounting) [ "$3" -gt 0 ] || continue ;;
		esac
		echo "$name"
	done
}

verb_selftests() {
	local config=$1 proxy=$2 mode=$3 timing=100 names job

	shift 3
	# In percent of what a test allows. Host threads run when the host lets them,
	# and sanitizers take most of the time for themselves: no test of latencies.
	# Lockdep and counters take a part of it.
	case $mode:$config in
	mttcg:* | *:kasan-* | *:kcsan-*) timing=0 ;;
	*:debug-* | *:watch-* | *:trace-debug-* | *:cover-*) timing=150 ;;
	esac
	names=$*
	[ $# -gt 0 ] || names=$(programs "$config" "$proxy" $timing) || exit 1
	names=${names//$'\n'/ }
	[ -n "$names" ] || die "no selftest to run with proxy $proxy"
	make_jobdir
	job=$(job_with selftests "PROGRAMS=$names" "PROXY_EXEC_TIMING=$timing") ||
		die "cannot write a job"
	[ -z "${DONATIONS:-}" ] || opts+=(--donations "$DONATIONS")
	[ "$proxy" = absent ] || opts+=(--proxy "$proxy")
	qemu --mode "$mode" --programs "$names" --timeout "${TIMEOUT:-2700}" \
		"$config" "$job" "selftests-$config-$proxy-$mode"
}

# The kernel's own way to these tests is kunit.py; `make users' takes it. Here they
# run on the kernels of all other tests, with lockdep, sanitizers or a fault planted
# in them, and what the kernel says on the console counts, which kunit.py ignores.
verb_kunit() {
	local config=${1:-debug-on} suite=sched_proxy job cases rc

	make_jobdir
	job=$(job_with kunit "SUITE=$suite") || die "cannot write a job"
	APPEND="kunit.enable=1 kunit.filter_glob=$suite${APPEND:+ $APPEND}"
	qemu --donations any --programs kunit --timeout "${TIMEOUT:-600}" \
		--append "$APPEND" "$config" "$job" "kunit-$config" |
		tee "$JOBDIR/out"
	rc=${PIPESTATUS[0]}
	[ "$rc" -eq 0 ] || exit "$rc"
	# What is compiled out is not passed. The run itself is one more.
	cases=$(grep -c '^	KUNIT_CASE' "$KSRC/kernel/sched/proxy_test.c")
	grep -q "^kunit-.*: $((cases + 1)) passed, 0 failed" "$JOBDIR/out" ||
		die "not all of the $cases cases have run"
}

verb_trace() {
	local scene=${1:-other_fifo} scenes job proxy dir out
	local from=$KSRC/tools/testing/selftests/proxy_exec/scenes.c

	[ -f "$from" ] || die "no $from: run 'make tree' first"
	scenes=$(sed -n 's/^FIXTURE_VARIANT_ADD(scenes, \(.*\))$/\1/p' "$from")
	if [ "$scene" = list ]; then
		echo "$scenes"
		return
	fi
	grep -qx -- "$scene" <<<"$scenes" || die "no scene named $scene; there" \
		"are:" "$(paste -sd' ' <<<"$scenes")"
	"$DEV/guest/kernel.sh" build trace-on || exit 1
	make_jobdir
	job=$(job_with trace "SCENE=$scene" "PHASE=${PHASE:-0}") ||
		die "cannot write a job"
	out=$RESULTS/trace-$scene
	for proxy in off on; do
		qemu --proxy "$proxy" --timeout "${TIMEOUT:-600}" trace-on "$job" \
			"trace-$scene-$proxy" >"$JOBDIR/out" 2>&1 || {
			cat "$JOBDIR/out"
			die "the boot with proxy execution $proxy failed"
		}
		dir=$(tail -n 1 "$JOBDIR/out")
		tr -d '\r' <"$dir/results" |
			sed '1,/^@@trace-begin$/d; /^@@trace-end/,$d' |
			base64 -d >"$out.$proxy.trace.gz" || die "no trace in $dir"
		gzip -t "$out.$proxy.trace.gz" ||
			die "the trace in $dir is not whole"
	done
	"$DEV/results/timeline.py" -o "$out" --title "Scene $scene" \
		"$out.off.trace.gz" "$out.on.trace.gz" || exit 1
	say "$out.svg: a picture; $out-1.json (off) and $out-2.json (on) are for" \
	    "ui.perfetto.dev, $out-1.txt and $out-2.txt for grep"
}

case ${1:-}:$# in
boot:1 | shell:1 | run:[12] | kunit:[12] | trace:[12]) ;;
selftests:[0123]) usage ;;
selftests:*) ;;
*) usage ;;
esac
"verb_$1" "${@:2}"
