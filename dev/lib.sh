# SPDX-License-Identifier: GPL-2.0
# Shell helpers shared by the scripts in dev/. Sourced, never run; sets no
# shell options. The environment may set TOP (the repository) and BUILD
# (where everything generated goes).
# shellcheck shell=bash

DEV=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TOP=${TOP:-${DEV%/*}}
BUILD=${BUILD:-$TOP/build}
export TOP BUILD

# own_settings: what comes out must not depend on how a person has set up the
# machine: language, modes of new files, options that tools take from the
# environment, a home that cannot be written to (ccache's cache goes there).
own_settings() {
	export LC_ALL=C.UTF-8
	umask 022
	unset BASH_ENV ENV CDPATH GLOBIGNORE POSIXLY_CORRECT GREP_OPTIONS GREP_COLOR \
		GREP_COLORS TAR_OPTIONS XZ_OPT XZ_DEFAULTS GZIP PERL5OPT PERL5LIB \
		PYTHONPATH PYTHONHOME PYTHONWARNINGS PYTHONOPTIMIZE \
		ARCH SUBARCH CROSS_COMPILE LLVM LLVM_IAS KCFLAGS KAFLAGS KCPPFLAGS \
		CFLAGS CPPFLAGS LDFLAGS HOSTCFLAGS HOSTLDFLAGS CPATH C_INCLUDE_PATH \
		LIBRARY_PATH LOCALVERSION INSTALL_PATH INSTALL_MOD_PATH \
		"${!KBUILD_@}" "${!KCONFIG_@}"
	[ -d "${TMPDIR:-/tmp}" ] && [ -w "${TMPDIR:-/tmp}" ] || unset TMPDIR
	[ -n "${HOME:-}" ] && [ -w "$HOME" ] || export HOME=$BUILD/home
}
own_settings

say() {
	printf '%s\n' "$*"
}

# die MESSAGE...: one line, what is wrong and what to do about it
die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# usage: how to call this script, by what its head comment has indented; the
# exit status of bad arguments
usage() {
	awk 'NR == 1 { next }
	     !/^#/ { exit }
	     { line[NR] = substr($0, 3) }
	     /^#   / { from = from ? from : NR; to = NR }
	     END { for (n = from; n <= to; n++) print line[n] }' "$0" >&2
	exit 2
}

# at_exit COMMAND: run it when this shell ends, last come first served. A
# signal ends the shell as well, so whatever is half-made goes here.
AT_EXIT=()
at_exit() {
	AT_EXIT=("$1" "${AT_EXIT[@]}")
}

run_at_exit() {
	local rc=$? c

	trap - EXIT
	for c in "${AT_EXIT[@]}"; do
		eval "$c" || :
	done
	exit "$rc"
}

trap run_at_exit EXIT
trap 'echo "${0##*/}: interrupted; run it again to go on" >&2; exit 130' INT
trap 'echo "${0##*/}: terminated; run it again to go on" >&2; exit 143' TERM

# tick LOG WHAT: until killed, show the last line of LOG on the terminal
tick() {
	local start=$SECONDS line cols

	cols=$(($(tput cols 2>/dev/null || echo 80) - 12))
	while sleep 1; do
		line=$(tail -n 1 "$1" 2>/dev/null | tr -d '\r' | expand)
		printf '\r\033[K   %4ds %s' $((SECONDS - start)) \
			"${line:0:cols}" >&2
	done
}

# step WHAT LOG COMMAND...: run the command with its output in LOG. Says when
# it starts, when it ends with the seconds, and dies with the last lines of
# the log when it fails. V=1 shows the command and its output.
step() {
	local what=$1 log=$2 start=$SECONDS rc errexit='' ticker=''

	shift 2
	mkdir -p "$(dirname "$log")" || die "cannot make $(dirname "$log")"
	say "-- $what ..."
	# Not `|| rc=$?': that would switch off errexit inside the command.
	case $- in *e*) errexit=1; set +e ;; esac
	if [ "${V:-0}" = 1 ]; then
		say "+ $*"
		( [ -z "$errexit" ] || set -e; "$@" ) 2>&1 | tee "$log"
		rc=${PIPESTATUS[0]}
	else
		# step_progress (guest-lib.sh) has a counter of its own.
		if [ -t 2 ] && [[ " ${FUNCNAME[*]} " != *" step_progress "* ]]
		then
			tick "$log" &
			ticker=$!
		fi
		( [ -z "$errexit" ] || set -e; "$@" ) >"$log" 2>&1
		rc=$?
		if [ -n "$ticker" ]; then
			kill "$ticker" 2>/dev/null
			wait "$ticker" 2>/dev/null
			printf '\r\033[K' >&2
		fi
	fi
	[ -z "$errexit" ] || set -e
	if [ "$rc" -ne 0 ]; then
		[ "$rc" -lt 129 ] || exit "$rc"
		[ "${V:-0}" = 1 ] || tail -n 15 "$log" | sed 's/^/   | /' >&2
		if grep -qs 'No space left on device' "$log"; then
			die "$what: the disk is full; free some space and run" \
			    "it again (log: $log)"
		fi
		die "$what failed after $((SECONDS - start)) s (log: $log)"
	fi
	say "   $what: done in $((SECONDS - start)) s (log: $log)"
}

# need_tool TOOL [PACKAGE]
need_tool() {
	command -v "$1" >/dev/null ||
		die "missing tool: $1 (Debian package ${2:-$1}); run 'make deps'"
}

# need_space DIR MIB: die unless the disk of DIR has that much left
need_space() {
	local dir=$1 free

	while [ ! -d "$dir" ]; do
		dir=$(dirname "$dir")
	done
	free=$(df -Pm "$dir" | awk 'NR == 2 { print $4 }')
	[ "${free:-0}" -ge "$2" ] ||
		die "disk too full: $1 needs $2 MiB, $dir has ${free:-0} MiB" \
		    "free; free some space or set BUILD= to another disk"
}

# own_build: make build/; die when BUILD= names a directory that is used for
# something else, before `make clean' gets at it
own_build() {
	local mark=$BUILD/.proxy-exec-build

	[ ! -e "$mark" ] || return 0
	[ "$BUILD" = "$TOP/build" ] ||
		[ -z "$(ls -A "$BUILD" 2>/dev/null)" ] ||
		die "BUILD=$BUILD: is in use for something else; name a" \
		    "new or an empty directory"
	mkdir -p "$BUILD" && : >"$mark" || die "cannot write to $BUILD"
}

# lock NAME: held until unlock or until this process ends, so that two runs do
# not meet in build/. A script called by the holder goes straight on.
declare -A LOCK_FD
lock() {
	local var=LOCKED_$1 fd

	[ -z "${!var:-}" ] || return 0
	need_tool flock util-linux
	own_build
	exec {fd}>"$BUILD/$1.lock" || die "cannot write to $BUILD"
	if ! flock -n "$fd"; then
		say "another run is at work in $BUILD; waiting for it"
		flock "$fd"
	fi
	LOCK_FD[$1]=$fd
	export "$var=$$"
}

unlock() {
	local fd=${LOCK_FD[$1]:-}

	# Taken by the caller of this script: the caller's to give back.
	[ -n "$fd" ] || return 0
	exec {fd}>&-
	unset "LOCK_FD[$1]" "LOCKED_$1"
}

# sha256 FILE
sha256() {
	sha256sum <"$1" | cut -d ' ' -f 1
}

job_count() {
	echo "${JOBS:-$(nproc)}"
}
