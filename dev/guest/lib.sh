# SPDX-License-Identifier: GPL-2.0
# What init and jobs use in the guest (busybox sh).
# shellcheck shell=sh

PROXY=/sys/kernel/debug/sched/proxy_exec

# guest_exit RC: let QEMU exit with 2 * (RC + 1) + 1
guest_exit() {
	sync
	[ "$1" -le 60 ] || set -- 60
	[ ! -x /bin/guest-exit ] || /bin/guest-exit $((2 * ($1 + 1) + 1))
	# shellcheck disable=SC2059
	printf "\\$(printf %03o $(($1 + 1)))" |
		dd of=/dev/port bs=1 seek=1281 count=1 2>/dev/null
	# Not reached; a guest that reboots is a failure of its own.
	echo b >/proc/sysrq-trigger
}

# The totals of proxy events since boot, if this kernel has any.
report_stats() {
	[ -r $PROXY/stats ] || return 0
	echo "@@stats-begin"
	cat $PROXY/stats
	echo "@@stats-end"
}

# prog SECONDS CMD...: run one test program in its own directory, between
# markers; kill it after that long.
prog() {
	limit=$1
	shift
	echo "@@prog-start $*"
	t0=$(cut -d. -f1 /proc/uptime)
	( cd "$(dirname "$1")" && busybox timeout -s KILL "$limit" "$@" )
	rc=$?
	# A program need not end its last line.
	echo
	echo "@@prog-end rc=$rc seconds=$(($(cut -d. -f1 /proc/uptime) - t0)) $*"
	return $rc
}
