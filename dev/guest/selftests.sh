#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Run the kselftests of tools/testing/selftests/proxy_exec in a guest.
#
#   dev/guest/selftests.sh CONFIG on|off|absent icount|mttcg [PROGRAM...]
#
# on: every program but the controls, and but those for which the kernel was not
# configured: events and hung; and but accounting where time means nothing. off (boot
# parameter) and absent (not configured): the controls, which are named *_off. The
# kernel has to be built.
# DONATIONS=, SMP= and APPEND= are what dev/guest/qemu.sh takes as options.

set -u
# shellcheck source=dev/guest/guest-lib.sh
. "$(dirname "$0")/guest-lib.sh"

[ $# -ge 3 ] || usage
config=$1 proxy=$2 mode=$3
shift 3
O=$BUILD/o/$config
list=$O/kselftest_install/kselftest-list.txt

# In percent of what a test allows. Host threads run when the host lets them, and
# sanitizers take most of the time for themselves: no test of latencies. Lockdep
# takes a part of it.
timing=100
case $mode:$config in
mttcg:* | *:kasan-* | *:kcsan-*) timing=0 ;;
*:debug-* | *:watch-* | *:trace-debug-*) timing=150 ;;
esac

# configured SYMBOL: is it in this kernel?
configured() {
	grep -qx "CONFIG_$1=y" "$O/.config"
}

programs() {
	sed -n 's/^proxy_exec://p' "$list" | case $proxy in
	on) grep -v '_off$' ;;
	off|absent) grep '_off$' ;;
	esac | while read -r name; do
		case $name in
		events) configured EVENT_TRACING || continue ;;
		hung) configured DETECT_HUNG_TASK || continue ;;
		accounting) [ "$timing" -gt 0 ] || continue ;;
		esac
		echo "$name"
	done
}

if [ $# -eq 0 ]; then
	[ -f "$list" ] || die "no selftests in $O/kselftest_install:" \
		"run 'make kernel CONFIG=$config'"
	mapfile -t names < <(programs)
	set -- "${names[@]}"
fi
[ $# -gt 0 ] || die "no selftest to run with proxy $proxy"

make_jobdir
job=$(job_with selftests "PROGRAMS=$*" "PROXY_EXEC_TIMING=$timing") ||
	die "cannot write a job"
opts=(--mode "$mode" --programs "$*" --timeout "${TIMEOUT:-1800}")
[ -z "${DONATIONS:-}" ] || opts+=(--donations "$DONATIONS")
[ "$proxy" = absent ] || opts+=(--proxy "$proxy")
[ -z "${SMP:-}" ] || opts+=(--smp "$SMP")
[ -z "${APPEND:-}" ] || opts+=(--append "$APPEND")
"$DEV/guest/qemu.sh" "${opts[@]}" "$config" "$job" "selftests-$config-$proxy-$mode"
