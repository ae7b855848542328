#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Run a command in a guest; print its output; exit with its status.
#
#   dev/guest/run.sh 'COMMAND'
#
# CONFIG= (lean-on), PROXY= (on, off), MODE= (icount, mttcg), SMP=, MEM=,
# APPEND=, TIMEOUT= (seconds).

set -u
# shellcheck source=dev/guest/guest-lib.sh
. "$(dirname "$0")/guest-lib.sh"

[ -n "${1:-}" ] ||
	die "nothing to run: make run CMD='uname -a'"
make_jobdir
printf '%s\n' "$1" >"$JOBDIR/cmd"
opts=(--donations any --skips allowed --mode "${MODE:-icount}"
      --timeout "${TIMEOUT:-600}" --smp "${SMP:-4}" --mem "${MEM:-1024}")
[ -z "${PROXY:-}" ] || opts+=(--proxy "$PROXY")
[ -z "${APPEND:-}" ] || opts+=(--append "$APPEND")

"$DEV/guest/qemu.sh" "${opts[@]}" "${CONFIG:-lean-on}" "$JOBDIR/cmd" run \
	>"$JOBDIR/out"
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
