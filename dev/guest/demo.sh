#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The demo: one image, booted with proxy execution off and on, the same
# priority inversions in both. First one that needs nothing but user space, in
# detail; then scenes of all kinds, in three boots each, because virtual time
# repeats exactly and one boot shows one phase only. Builds what is missing,
# prints the tables of demo-report.py and scenes-report.py and fails when a
# row misses its target.
#
# ROUNDS= (default 40) per row and boot of the first, PHASE= another sequence of
# phases; SCENE_ROUNDS= (default 8) and, with proxy execution off, where a round
# takes half a second, SCENE_ROUNDS_OFF= (default 3). WRITE=1 puts both tables into
# README.md. SCENES=0 leaves the scenes out: the short form of the test command, as
# the kselftests play them, too.

set -u
# shellcheck source=dev/guest/guest-lib.sh
. "$(dirname "$0")/guest-lib.sh"

start=$(now)
"$DEV/guest/kernel.sh" build lean-on || exit 1
make_jobdir
job=$(job_with demo "ROUNDS=${ROUNDS:-40}" "PHASE=${PHASE:-0}") ||
	die "cannot write a job"

say "The same image boots twice: proxy execution off, and on."
declare -A pid=() ended=()
for proxy in off on; do
	setpriv --pdeathsig TERM "$DEV/guest/qemu.sh" --proxy "$proxy" \
		--timeout "${TIMEOUT:-1500}" lean-on "$job" "demo-$proxy" \
		>"$JOBDIR/demo-$proxy.out" 2>&1 &
	pid[$proxy]=$!
done
for proxy in off on; do
	wait "${pid[$proxy]}"
	ended[$proxy]=$?
done
for proxy in off on; do
	cat "$JOBDIR/demo-$proxy.out"
	[ "${ended[$proxy]}" -eq 0 ] ||
		die "the boot with proxy execution $proxy failed, see" \
		    "$(tail -n 1 "$JOBDIR/demo-$proxy.out")"
	declare "dir_$proxy=$(tail -n 1 "$JOBDIR/demo-$proxy.out")"
done
# shellcheck disable=SC2154
"$DEV/results/demo-report.py" --out "$RESULTS/demo" "$dir_off" "$dir_on" |
	tee "$JOBDIR/report"
rc=${PIPESTATUS[0]}

finish() {
	say "(demo: $(($(now) - start)) s; figures and tables are in $RESULTS)"
	awk '/^(demo|scenes): [0-9]+ passed, [0-9]+ failed$/ { p += $2; f += $4 }
		END { printf "demo in all: %d passed, %d failed\n", p, f }' \
		"$JOBDIR/report"
	exit "$1"
}
[ "${SCENES:-1}" != 0 ] || finish "$rc"

say "Now the scenes, three boots of each."
scenes_boot() { # off|on PHASE ROUNDS
	local job

	job=$(JOBDIR=$JOBDIR/$1-$2; mkdir -p "$JOBDIR"
	      job_with scenes "ROUNDS=$3" "PHASE=$2") || return 1
	"$DEV/guest/qemu.sh" --proxy "$1" --timeout "${TIMEOUT:-1500}" \
		lean-on "$job" "scenes-$1-$2" >"$JOBDIR/scenes-$1-$2.out" 2>&1
}
scenes_rc=0
for phase in 0 1 2; do
	scenes_boot off $phase "${SCENE_ROUNDS_OFF:-3}" &
	scenes_boot on $phase "${SCENE_ROUNDS:-8}"
	[ $? -eq 0 ] || scenes_rc=1
	wait $! || scenes_rc=1
done
scenes_dirs() {
	local phase

	for phase in 0 1 2; do
		tail -n 1 "$JOBDIR/scenes-$1-$phase.out"
	done
}
if [ "$scenes_rc" -eq 0 ]; then
	# shellcheck disable=SC2046
	"$DEV/results/scenes-report.py" --out "$RESULTS/scenes" \
		--off $(scenes_dirs off) --on $(scenes_dirs on) |
		tee -a "$JOBDIR/report"
	[ "${PIPESTATUS[0]}" -eq 0 ] || rc=1
else
	cat "$JOBDIR"/scenes-*.out
	echo "scenes: 0 passed, 1 failed" | tee -a "$JOBDIR/report"
	rc=1
fi
if [ -n "${WRITE:-}" ] && [ "$rc" -eq 0 ]; then
	"$DEV/results/put-table.py" --mark demo "$RESULTS/demo.txt" &&
	"$DEV/results/put-table.py" --mark scenes "$RESULTS/scenes.txt" || rc=1
fi
finish "$rc"
