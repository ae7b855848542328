# SPDX-License-Identifier: GPL-2.0
# Shared by the scripts that build kernels, boot guests and judge them.
# shellcheck shell=bash

DEV=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=dev/lib.sh
. "$DEV/lib.sh"

# Below a make of ours: what it was told is not meant for the kernel's.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES

KSRC=${KSRC:-$BUILD/linux}		# the kernel source tree
RESULTS=${RESULTS:-$BUILD/results}

# now: seconds since the epoch
now() {
	date +%s
}

# new_results NAME: create a results directory that nobody else uses and
# print its path
new_results() {
	local base dir n=1

	base=$RESULTS/$(date +%Y%m%d-%H%M%S)-$1
	mkdir -p "$RESULTS" || return 1
	dir=$base
	until mkdir "$dir" 2>/dev/null; do
		n=$((n + 1))
		[ "$n" -lt 100 ] || return 1
		dir=$base.$n
	done
	echo "$dir"
}

# progress LOG REGEX LABEL: until killed, show on the terminal how many lines
# of LOG match REGEX. Does nothing without a terminal.
progress() {
	local n

	[ -t 2 ] || exec sleep infinity
	while sleep 1; do
		n=$(grep -cE "$2" "$1" 2>/dev/null)
		printf '\r   %s %s ' "${n:-0}" "$3" >&2
	done
}

# step_progress LABEL REGEX WHAT LOG CMD...: step with a running count
step_progress() {
	local label=$1 regex=$2 pid rc=0

	shift 2
	if [ ! -t 2 ]; then
		step "$@"
		return
	fi
	mkdir -p "$(dirname "$2")"
	: >"$2"
	progress "$2" "$regex" "$label" &
	pid=$!
	# step dies on failure: run it in a subshell so that the counter is
	# stopped in every case
	( step "$@" ) || rc=$?
	kill "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
	printf '\r\033[K' >&2
	[ "$rc" -eq 0 ] || exit "$rc"
}

# job_with NAME [VAR=VALUE...]: a copy of a job of dev/guest/jobs with these
# variables set in front; prints its path. Removed when the shell ends.
job_with() {
	local job=$1 v

	shift
	{
		for v; do
			printf '%s=%q\n' "${v%%=*}" "${v#*=}"
		done
		cat "$DEV/guest/jobs/$job"
	} >"$JOBDIR/$job" || return 1
	echo "$JOBDIR/$job"
}

# Call once in scripts that make jobs.
make_jobdir() {
	JOBDIR=$(mktemp -d) || die "cannot create a temporary directory"
	at_exit 'rm -rf "$JOBDIR"'
}
