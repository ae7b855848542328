#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Lock torture on the debug kernels, one boot per kernel and scenario.
#
#   dev/stress/torture.sh [list|PATTERN]
#
# PATTERN (shell pattern, also K=) selects scenarios, KERNELS= the kernels, which
# have to be built; list prints both. MINUTES= (10) is the time for everything,
# in equal shares, GUESTS= (1) how many run at once; SEED= is what the tasks are
# disturbed with. What a scenario PROXY-* does is in its file
# tools/testing/selftests/rcutorture/configs/lock/PROXY-*.boot of the series,
# which the kernel's own kvm.sh takes as well; here more is done to its tasks
# meanwhile. Success is the word of the module or program that runs, a console
# without any report, and that what the scenario is about has happened, by the
# counters. With several host threads a seed repeats the disturbance, not the run.
#
# The results directory, build/results/<stamp>-torture, has the table of all runs,
# its lines and what is printed as they come, and sums by scenario (table, runs,
# output, summary); WRITE=1 puts these into the cover letter. Console,
# configuration, verdict and the command that repeats a run (again) are in its own
# directory. A run of everything warns of lines of dev/review/excuses/kcsan that it
# did not need.

set -u
# shellcheck source=dev/guest/guest-lib.sh
. "$(dirname "$0")/../guest/guest-lib.sh"

configs=$BUILD/linux/tools/testing/selftests/rcutorture/configs/lock

# name, what disturb changes, and the counters that must have moved: + stands for
# all that a mutex can move in a minute, = for those that take some more luck, and
# are wanted after five.
# Where the module has CPUs come and go it also changes affinities, never both at
# a time: 6.12 lets sched_setaffinity() move a kernel thread to a CPU that is about
# to die, which then complains of not being vacated. PROXY-MOVE has disturb do
# both, one after the other.
# 6.12 also does not expect a deadline task to be throttled on a CPU that goes
# offline and to change its class, to have its affinity changed, or to have
# pressure accounted.
# What comes after a + is done by another disturb at the same time: in switch, which
# is PROXY-MOVE but for that, proxy execution is switched off and on all the time,
# also while a CPU goes.
# The last two are not locktorture: the kernel's test of ww_mutex, and those of
# our own programs that go on for as long as they are told.
scenarios='
PROXY-MUTEX    class                           +=
PROXY-MOVE     affinity,class,hotplug          +=
PROXY-ATTR     affinity,class,deadline,cgroup  +=throttled
PROXY-SLEEP    class                           +=
PROXY-FIFO     -                               donations,migrated,returned,parked_running,parked_asleep
PROXY-WW       class                           donations,migrated,returned,parked_running,parked_asleep
PROXY-RTMUTEX  class                           any
PROXY-RWSEM    class                           donations,degraded_unknown,parked_asleep
switch         affinity,class,hotplug+switch   donations,woken,parked_running,parked_asleep,degraded_off
ww-selftest    -                               any
tasks          -                               +=
'
often=donations,hops,unblocked,woken,parked_asleep,parked_running,parked_blocked
often+=,injected,migrated,returned,handoffs,reparked,placed_anew
seldom=parked_migrating

# rows WORD SCENARIO: the counters it stands for, ! for those that must not move
rows() {
	local word=${1/+/$often,}

	if [ "$seconds" -ge 300 ]; then
		word=${word/=/$seldom,}
	else
		word=${word%=*}
	fi
	word=${word%,}
	# A link is not lost, nor a deadlock seen, where there is none.
	case $1:$2 in
	any:* | *:tasks) ;;
	*) word+=,!degraded_cycle,!degraded_depth ;;
	esac
	echo "$word"
}

seed=${SEED:-1}
case $seed in
''|*[!0-9]*) die "SEED=$seed: not a number" ;;
esac
columns='donations migrated parked_asleep parked_running parked_blocked injected
	handoffs placed_anew'

# boot_words MODULE FILE: what the file gives MODULE, as parameters
boot_words() {
	sed -n "s/^$1\\.//p" "$2" | paste -sd' '
}

# row DIR NAME KERNEL: a line of the table, from what the run left
row() {
	local c stats acquired

	stats=$(sed -n '/^@@stats-begin/,/^@@stats-end/p' "$1/results" |
		tr -d '\r')
	acquired=$(tr -d '\r' <"$1/results" |
		sed -n 's/^ok 2 .*: \([0-9]*\) write acquisitions$/\1/p')
	printf '%s %s %s' "$2" "$3" "${acquired:-0}"
	for c in $columns; do
		printf ' %s' "$(awk -v n="$c" '$1 == n { print $2 }' <<<"$stats")"
	done
	c=$(sed -n 's/^degraded_\([a-z]*\) \([1-9][0-9]*\)$/\1=\2/p' <<<"$stats" |
		paste -sd,)
	echo " ${c:--}"
}

# one LOG SECONDS KERNEL NAME: the run itself; adds to LOG/runs and LOG/counts
one() {
	local log=$1 kernel=$3 name=$4 type=$4 programs=$4 disturb counters
	local torture='' lock='' boot=$4 job dir row

	seconds=$2
	read -r _ disturb counters < <(grep "^$name " <<<"$scenarios")
	case $name in
	PROXY-*|switch)
		[ "$name" != switch ] || boot=PROXY-MOVE
		[ -f "$configs/$boot.boot" ] ||
			die "no $configs/$boot.boot: run 'make tree'"
		type=locktorture
		torture=$(boot_words torture "$configs/$boot.boot")
		lock=$(boot_words locktorture "$configs/$boot.boot") ;;
	tasks)
		programs=churn ;;
	esac
	[ "$disturb" != - ] || disturb=''
	make_jobdir
	job=$(job_with torture "SCENARIO=$name" "TYPE=$type" \
		"TORTURE=$torture" "LOCKTORTURE=$lock" \
		"SECONDS_RUN=$seconds" "DISTURB=$disturb" "SEED=$seed") ||
		die "cannot write a job"
	setpriv --pdeathsig TERM "$DEV/guest/qemu.sh" --mode mttcg \
		--donations "$(rows "$counters" "$name")" \
		--programs "$programs" --timeout $((seconds * 3 + 240)) \
		--append log_buf_len=16M \
		"$kernel" "$job" "torture-$kernel-$name" </dev/null \
		>"$JOBDIR/out" &
	# In the background, so that a signal gets through at once
	QEMU=$!
	at_exit 'kill $QEMU 2>/dev/null'
	wait $QEMU
	[ $? -lt 129 ] || exit 255	# that is for xargs
	dir=$(tail -n 1 "$JOBDIR/out")
	[ -d "$dir" ] || { cat "$JOBDIR/out"; return; }
	# The share of one run, as the time for all of it
	printf 'make torture K=%s KERNELS=%s SEED=%s MINUTES=%s\n' "$name" \
		"$kernel" "$seed" \
		"$(awk -v s="$seconds" 'BEGIN { printf "%.4g", s / 60 }')" \
		>"$dir/again"
	# In one piece: others write there, too.
	row=$(row "$dir" "$name" "$kernel")
	echo "$row" >>"$log/runs"
	cat "$dir/excused" >>"$log/excused"
	{
		grep -v 'qemu-system' "$JOBDIR/out"
		echo "again: $(cat "$dir/again")"
	} | tee -a "$log/output"
}

if [ "${1:-}" = --one ]; then
	shift
	one "$@"
	exit 0
fi
pattern=${1:-${K:-*}}
read -ra kernels <<<"$KERNELS"
minutes=${MINUTES:-10}

all=() names=()
shopt -s nocasematch
while read -r name _; do
	[ -n "$name" ] || continue
	all+=("$name")
	# shellcheck disable=SC2254
	case ${name#PROXY-} in
	${pattern#PROXY-}) names+=("$name") ;;
	esac
done <<<"$scenarios"
shopt -u nocasematch
if [ "$pattern" = kernels ]; then
	say "${kernels[*]}"
	exit
fi
if [ "$pattern" = list ]; then
	say "scenarios: ${all[*]}"
	say "kernels: ${kernels[*]}"
	exit
fi
[ "${#names[@]}" -gt 0 ] ||
	die "no scenario matches '$pattern'; there are: ${all[*]}"
full=''
[ "${#names[@]}:${#kernels[@]}" != "${#all[@]}:4" ] || full=1
[ -z "${WRITE:-}" ] || [ -n "$full" ] ||
	die "WRITE=1: only with all scenarios, on all four kernels"
for kernel in "${kernels[@]}"; do
	guest_arch "$kernel"
	[ -f "$BUILD/o/$kernel/$IMAGE" ] ||
		die "kernel $kernel is not built: make kernel CONFIG=$kernel"
done
seconds=$(awk -v m="$minutes" -v n=$((${#names[@]} * ${#kernels[@]})) 'BEGIN {
	if (m !~ /^[0-9]+(\.[0-9]+)?$/ || m <= 0) exit 1
	s = int(m * 60 / n); print s < 10 ? 10 : s }') ||
	die "MINUTES=$minutes: not a number"

log=$(new_results torture) || die "cannot create a directory in $RESULTS"
say "${#names[@]} scenarios on ${#kernels[@]} kernels, $seconds s each, seed $seed"
: >"$log/runs"
: >"$log/excused"
for kernel in "${kernels[@]}"; do
	printf "$kernel %s\n" "${names[@]}"
done >"$log/todo"
setpriv --pdeathsig TERM xargs -a "$log/todo" -P "${GUESTS:-1}" -L 1 \
	setpriv --pdeathsig TERM "$0" --one "$log" "$seconds" &
pid=$!
at_exit 'kill $pid 2>/dev/null'
wait $pid || exit 130

{
	# shellcheck disable=SC2086
	echo scenario kernel acquired $columns degraded
	cat "$log/runs"
	awk '{ for (i = 3; i < NF; i++) sum[i] += $i; n = NF }
		END { printf "all -"; for (i = 3; i < n; i++) printf " %d", sum[i]
		      print " -" }' "$log/runs"
} | column -t >"$log/table"
say ""
cat "$log/table"
say "(table, runs and output: $log)"
runs=$((${#names[@]} * ${#kernels[@]}))
read -r passed failed ended < <(sed -n \
	's/^torture-[^ ]*: \([0-9]*\) passed, \([0-9]*\) failed.*/\1 \2/p' \
	"$log/output" |
	awk '{ p += $1; f += $2 } END { print p + 0, f + 0, NR }')
# A run without a verdict has failed.
failed=$((failed + runs - ended))
"$DEV/results/torture-summary.py" "$log/runs" "$seconds" "$seed" "$passed" "$failed" \
	>"$log/summary" || failed=$((failed + 1))
[ -z "$full" ] || "$DEV/review/excuses/excuses.py" unused kcsan <"$log/excused" |
	sed 's/^/warning: /'
say "torture: $passed passed, $failed failed"
[ "$failed" -eq 0 ] || exit 1
[ -z "${WRITE:-}" ] || "$DEV/results/put-table.py" --mark torture "$log/summary"
