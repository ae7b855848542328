# SPDX-License-Identifier: GPL-2.0
# Shared by the scripts that build kernels, boot guests and judge them.
# shellcheck shell=bash

# shellcheck source=dev/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

# Below a make of ours: what it was told is not meant for the kernel's.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES
# Line ends and hooks of a person's git configuration are not for kernel sources.
# shellcheck disable=SC2046
unset $(git rev-parse --local-env-vars 2>/dev/null) || :
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1

KSRC=${KSRC:-$BUILD/linux}		# the kernel source tree
RESULTS=${RESULTS:-$BUILD/results}
KERNELS=${KERNELS:-debug-on kasan-on kcsan-on watch-on}	# with sanitizers, watchers

# guest_arch KERNEL: sets GUEST_ARCH by its name, CROSS, what its compiler is
# called, and IMAGE, where its build directory has what boots
guest_arch() {
	case $1 in
	arm64-*)
		GUEST_ARCH=arm64 CROSS=aarch64-linux-gnu-
		IMAGE=arch/arm64/boot/Image ;;
	*)
		GUEST_ARCH=x86_64 CROSS=''
		IMAGE=arch/x86/boot/bzImage ;;
	esac
}

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

# job_with NAME [VAR=VALUE...]: a copy of a job of dev/guest/inside/jobs with these
# variables set in front; prints its path. Removed when the shell ends.
job_with() {
	local job=$1 v

	shift
	{
		for v; do
			printf '%s=%q\n' "${v%%=*}" "${v#*=}"
		done
		cat "$DEV/guest/inside/jobs/$job"
	} >"$JOBDIR/$job" || return 1
	echo "$JOBDIR/$job"
}

# Call once in scripts that make jobs.
make_jobdir() {
	JOBDIR=$(mktemp -d) || die "cannot create a temporary directory"
	at_exit 'rm -rf "$JOBDIR"'
}

# config_requests: of configuration lines, the last word on each symbol:
# "SYMBOL=value", n for "is not set"
config_requests() {
	sed -n -e 's/^# \(CONFIG_[A-Z0-9_]*\) is not set$/\1=n/p' \
		-e 's/^\(CONFIG_[A-Z0-9_]*=.*\)$/\1/p' |
	awk -F= '{ v[$1] = $0 } END { for (s in v) print v[s] }' | LC_ALL=C sort
}

# config_misses REQUESTED CONFIG: each requested symbol that the configuration
# does not have as asked for
config_misses() {
	awk -F= '
		NR == FNR {
			if (match($0, /^CONFIG_[A-Z0-9_]*=/)) {
				s = substr($0, 1, RLENGTH - 1)
				got[s] = substr($0, RLENGTH + 1)
			}
			next
		}
		{
			s = $1
			want = substr($0, length(s) + 2)
			have = (s in got) ? got[s] : "n"
			if (have != want)
				print s "=" want " (is " have ")"
		}' "$2" "$1"
}
