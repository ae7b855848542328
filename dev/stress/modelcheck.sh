#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Check the model of the protocol, Documentation/scheduler/sched-proxy-exec.pml,
# with spin: exhaustively, without a fault; see that each fault that can be
# planted is found, and that no line of the model is left out.
#
#   dev/stress/modelcheck.sh
#
# TICKS= (2) and SIGNALS= (1): preemptions for no reason; spurious wakeups, waiters
# that give up, cannot be placed or get a better priority, hand-offs, lost groups.
# Each more of them is some ten times the states. LIMIT= (900): seconds for one.
# FAULTS=0 plants none.

set -u
# shellcheck source=dev/lib.sh
. "$(dirname "$0")/../lib.sh"

need_tool spin
need_tool gcc
model=$TOP/Documentation/scheduler/sched-proxy-exec.pml
[ -f "$model" ] || die "$model is missing: run 'make tree && make refresh'"
dir=$BUILD/model
lock model
rm -rf "$dir"
mkdir -p "$dir" || die "cannot create $dir"
passed=0 failed=0

# What the three tasks want, see want() in the model
shapes="CHAIN QUEUE AGAIN DELAY FULL OTHER DEGRADE"

# check NAME FLAG...: in a directory of its own; leaves log and, if it came to an
# end, ended, and states, the lines of all of them. To compile well takes longer
# than to find a fault. Statements are not merged (-o3), or some could not be told
# from others.
check() {
	local opt=-O0

	[[ $1 != protocol-* ]] || opt=-O1
	mkdir -p "$dir/$1" && cd "$dir/$1" || return 1
	shift
	{
		spin -o3 "-DTICKS=${TICKS:-2}" "-DSIGNALS=${SIGNALS:-1}" "$@" \
			-a "$model" &&
		gcc $opt -DSAFETY -DCOLLAPSE -DMEMLIM=6000 -o pan pan.c &&
		./pan -d >states &&
		timeout "${LIMIT:-900}" ./pan -m1000000 &&
		touch ended
	} >log 2>&1
}

# find_bug NAME: in the shape that it names in the model, or the first that shows it
find_bug() {
	local shape wanted

	wanted=$(sed -nE "s:^#ifn?def $1\t/\* ([A-Z]+) \*/\$:\1:p" "$model")
	wanted=${wanted:-$shapes}
	for shape in $wanted; do
		check "$1" "-D$1" "-D$shape"
		read_log "$1" && [ "$ERRORS" -eq 0 ] || return 0
		[ "$shape" = "${wanted##* }" ] || rm -f "$dir/$1/ended"
	done
}

# left_out: the lines that no process of any shape has reached
left_out() {
	local shape

	for shape in $shapes; do
		# Which state of which process is on which line, then which of
		# these were not reached
		sed -nE -e 's/^(proctype|init) *([A-Za-z_]*).*/P \2/p' \
			-e 's/^\tstate +([0-9]+) -.*\.pml:([0-9]+) =>.*/S \1 \2/p' \
			"$dir/protocol-$shape/states"
		echo U
		sed -nE -e 's/^unreached in (proctype |init *)([A-Za-z_]*).*/P \2/p' \
			-e 's/^\t[^ ]*:([0-9]+), state ([0-9]+), .*/S \2 \1/p' \
			"$dir/protocol-$shape/log"
		echo E
	done | awk '
		$1 == "P" { p = $2 }
		$1 == "U" { u = 1 }
		$1 == "S" && !u { line[p, $2, $3] = $3; any[$3] }
		$1 == "S" && u { delete line[p, $2, $3] }
		$1 == "E" {
			for (i in line)
				reached[line[i]]
			split("", line)
			u = 0
		}
		END { for (n in any) if (!(n in reached)) print n }' | sort -n
}

# read_log NAME: sets ERRORS and STATES; 1 if there is nothing to believe
read_log() {
	local log=$dir/$1/log

	[ -e "$dir/$1/ended" ] || return 1
	! grep -q 'max search depth too small\|Search not completed' "$log" ||
		[[ $1 != protocol-* ]] || return 1
	ERRORS=$(sed -n 's/.*errors: \([0-9]*\)$/\1/p' "$log")
	STATES=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' "$log")
	[ -n "$ERRORS" ]
}

result() { # ok|not WORDS
	if [ "$1" = ok ]; then
		passed=$((passed + 1))
		say "ok $2" | tee -a "$dir/table"
	else
		failed=$((failed + 1))
		say "not ok $2" | tee -a "$dir/table"
	fi
}

bugs=$(sed -nE 's/^#ifn?def (BUG_[A-Z0-9]+)(\t.*)?$/\1/p' "$model" | sort -u)
[ -n "$bugs" ] || die "no faults to plant in $model"
[ "${FAULTS:-1}" != 0 ] || bugs=''
wait_job() {
	while [ "$(jobs -rp | wc -l)" -ge "$(job_count)" ]; do
		wait -n
	done
}
for shape in $shapes; do
	wait_job
	check "protocol-$shape" "-D$shape" &
done
for bug in $bugs; do
	wait_job
	find_bug "$bug" &
done
wait

complete=1
for shape in $shapes; do
	if ! read_log "protocol-$shape"; then
		result not "protocol $shape: not checked to the end (log: $dir/protocol-$shape/log)"
	elif [ "$ERRORS" -ne 0 ]; then
		result not "protocol $shape: $(grep -m1 '^pan:1' "$dir/protocol-$shape/log") (log: $dir/protocol-$shape/log)"
	else
		result ok "protocol $shape: $STATES states, no error"
		continue
	fi
	complete=0
done
if [ "$complete" -ne 0 ]; then
	lines=$(left_out)
	if [ -z "$lines" ]; then
		result ok "every line of the model was reached"
	else
		result not "lines of the model that nothing has reached: ${lines//$'\n'/ }"
	fi
fi
for bug in $bugs; do
	if ! read_log "$bug"; then
		result not "$bug: not checked (log: $dir/$bug/log)"
	elif [ "$ERRORS" -eq 0 ]; then
		result not "$bug: not found"
	else
		result ok "$bug: $(sed -n 's/^pan:1: //p' "$dir/$bug/log" | cut -c1-50)"
	fi
done
say "model: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
