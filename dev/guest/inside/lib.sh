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

SCX=/sys/kernel/sched_ext

# bpf_load NAME: have a scheduler of tools/sched_ext, in /extra, take all tasks
# that were fair; sets bpf_pid. The guest may be slow, and the task of any class.
bpf_load() {
	"/extra/$1" >"/tmp/$1" 2>&1 &
	bpf_pid=$!
	for _ in $(seq 600); do
		sleep 0.1
		[ "$(cat $SCX/state) scx_$(cat $SCX/root/ops 2>/dev/null)" != \
			"enabled $1" ] || return 0
		kill -0 "$bpf_pid" 2>/dev/null || break
	done
	sed 's/^/# /' "/tmp/$1"
	echo "# $1 is not enabled, state: $(cat $SCX/state)"
	kill -KILL "$bpf_pid" 2>/dev/null
	return 1
}

# bpf_unload NAME: it has to be there still, and to end for no other reason
bpf_unload() {
	kill -INT "$bpf_pid" 2>/dev/null
	for _ in $(seq 600); do
		sleep 0.1
		kill -0 "$bpf_pid" 2>/dev/null || break
	done
	# What does not hear of it is not waited for.
	kill -KILL "$bpf_pid" 2>/dev/null
	wait "$bpf_pid"
	bpf_rc=$?
	[ "$bpf_rc $(sed -n 's/^EXIT: //p' "/tmp/$1") $(cat $SCX/state)" != \
		"0 unregistered from user space disabled" ] || return 0
	tail -n 20 "/tmp/$1" | sed 's/^/# /'
	echo "# $1 ended with status $bpf_rc, state: $(cat $SCX/state)"
	return 1
}

# bpf_turns SECONDS NAME...: load and unload them in turn for that long
bpf_turns() {
	bpf_end=$(($(cut -d. -f1 /proc/uptime) + $1)) turns=0
	shift
	while [ "$(cut -d. -f1 /proc/uptime)" -lt $bpf_end ]; do
		for name; do
			bpf_load "$name" || return 1
			sleep 0.5
			bpf_unload "$name" || return 1
			turns=$((turns + 1))
		done
	done
	echo "# loaded and unloaded $turns times"
}

# gcov_dump: the counters of a kernel for coverage, packed, on the results port
gcov_dump() {
	d=/sys/kernel/debug/gcov

	[ -d $d ] || return 0
	# debugfs gives no sizes, which tar would believe: copy first.
	( cd $d && find . -name '*.gcda' \( -path '*/kernel/sched/*' -o \
		-path '*/kernel/locking/*' -o -path '*/kernel/fork.gcda' \) ) |
	while read -r f; do
		mkdir -p "/tmp/gcov/${f%/*}"
		cat "$d/$f" >"/tmp/gcov/$f"
	done
	echo "@@gcov-begin"
	tar -C /tmp/gcov -c . | gzip -c | base64
	echo "@@gcov-end"
}
