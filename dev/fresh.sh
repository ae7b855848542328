#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The commands of the README on a machine that nobody has prepared: a minimal
# Debian 12 in build/fresh, a clone of HEAD in it, and in turn what the first
# block of the section "See it" names. Of the host there are only /dev, the
# network and the way to the package mirror. Ends with a table of the stages,
# wall and CPU seconds.
#
#   dev/fresh.sh
#
#   ONLY=demo|test        one of the commands
#   CMDS='make a; make b' these instead
#   PLANT=package         with a unit test that needs this package, which no
#                         command installs: has to fail (PLANT=1: less)
#   KEEP=1                do not remove build/fresh
#
# Needs root, for mounts and chroot. What runs in there is in namespaces of its
# own and ends with this script, whatever ends it.

set -euo pipefail
# shellcheck source=dev/guest/guest-lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/guest/guest-lib.sh"

SUITE=bookworm
ROOT=$BUILD/fresh
# Where the clone is in there
CLONE=/root/proxy-exec
# What a shell of root's has on a Debian without further settings
CLEAN=(env -i HOME=/root USER=root LOGNAME=root SHELL=/bin/bash TERM=dumb
	PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)

# --- what can be told without a machine -----------------------------------------

# readme_commands FILE: the commands of the first block of "See it", one a line
readme_commands() {
	awk '/^## / { section = $0 }
	     section != "## See it" || done { next }
	     /^    [^ ]/ { sub(/[ \t]*#.*/, ""); sub(/^ +/, ""); print; seen = 1; next }
	     seen { done = 1 }' "$1"
}

# commands README: what to run, one a line, by CMDS and ONLY
commands() {
	if [ -n "${CMDS:-}" ]; then
		tr ';' '\n' <<<"$CMDS" | sed -e 's/^[[:space:]]*//' \
			-e 's/[[:space:]]*$//' -e '/^$/d'
	else
		readme_commands "$1" | { grep -E "^make ${ONLY:-[a-z-]+}\$" || :; }
	fi
}

# debian_sources DIR: of the apt configuration in DIR, the sources that are
# Debian's for this suite, one a line; without any, those of a new installation
debian_sources() {
	local f found

	found=$(for f in "$1"/sources.list "$1"/sources.list.d/*.list \
		"$1"/sources.list.d/*.sources; do
		[ ! -f "$f" ] || one_line_sources "$f"
	done | awk -v suite="$SUITE" '
		{ line = $0; sub(/^deb (\[[^]]*\] )?/, "") }
		index($2, suite) == 1 && / main( |$)/ { print line }')
	if [ -n "$found" ]; then
		printf '%s\n' "$found"
		return
	fi
	printf 'deb http://deb.debian.org/%s main\n' \
		"debian $SUITE" "debian $SUITE-updates" \
		"debian-security $SUITE-security"
}

# one_line_sources FILE: its sources of binary packages, whichever the format
one_line_sources() {
	case $1 in
	*.list)	grep -E '^deb[[:space:]]' "$1" | tr -s ' \t' ' ' || : ;;
	*)	awk 'function done_with(  i, j, u, s) {
			u = split(field["uris"], uri, " ")
			s = split(field["suites"], suite, " ")
			for (i = 1; enabled && !off && i <= u; i++)
				for (j = 1; j <= s; j++)
					print "deb " signed uri[i], suite[j],
						substr(field["components"], 2)
			split("", field)
			signed = enabled = off = ""
		}
		/^[ \t]*$/ { done_with(); next }
		/^#/ { next }
		/^[^ \t]/ { key = tolower($1); sub(/:.*/, "", key)
			sub(/^[^:]*:[ \t]*/, "") }
		{ sub(/^[ \t]+/, ""); sub(/[ \t]+$/, "") }
		key == "signed-by" && /^\// { signed = "[signed-by=" $0 "] " }
		key == "types" && " " $0 " " ~ / deb / { enabled = 1 }
		key == "enabled" && $0 == "no" { off = 1 }
		{ field[key] = field[key] " " $0 }
		END { done_with() }' "$1" ;;
	esac
}

# apt_settings: of apt-config dump, what says how to reach the mirror. A proxy that
# only the environment names becomes one of apt's.
apt_settings() {
	local scheme proxy

	grep -E '^Acquire::(https?|socks5h|Retries|Check-|Force|Allow)' || :
	for scheme in http https; do
		proxy=${scheme}_proxy
		[ -z "${!proxy:-}" ] ||
			printf 'Acquire::%s::Proxy "%s";\n' "$scheme" "${!proxy}"
	done
}

# parts FILE: of an output with times in front ("SECONDS TEXT"), the steps that
# end there, "NAME SECONDS", and when the first table was there
parts() {
	awk '/^[0-9]+    .*: done in [0-9]+ s/ {
		name = $0
		sub(/^[0-9]+    /, "", name)
		sub(/: done in .*/, "", name)
		secs = $0
		sub(/.*: done in /, "", secs)
		printf "%s\t%d\n", substr(name, 1, 44), secs + 0
	     }
	     !table && /^[0-9]+ -+\+-+/ {
		table = 1
		printf "%s\t%d\n", "(first table shown after)", $1
	     }' "$1"
}

# row NAME WALL CPU RESULT
row() {
	printf '%-48s %7s %7s  %s\n' "$@"
}

# --- the machine ------------------------------------------------------------------

# What follows runs in namespaces of its own, by isolated().

# in_root COMMAND: by a shell in the root. It stays, to reap what loses its parent.
in_root() {
	mount --rbind /dev "$ROOT/dev"
	mount -t tmpfs -o mode=1777 tmpfs "$ROOT/dev/shm"
	mount -t proc proc "$ROOT/proc"
	umask 022
	exec chroot "$ROOT" "${CLEAN[@]}" bash -c "$1"'; exit $?'
}

make_root() {
	local work=$log/apt f

	mkdir "$work"
	debian_sources /etc/apt >"$work/sources"
	apt-config dump | apt_settings >"$work/settings"
	mmdebstrap --mode=root --variant=minbase --format=directory \
		--include=git,make,ca-certificates --aptopt="$work/settings" \
		"$SUITE" "$ROOT" "$work/sources"
	for f in /etc/apt/auth.conf /etc/apt/auth.conf.d /etc/apt/trusted.gpg.d \
		/etc/resolv.conf /etc/hosts /usr/local/share/ca-certificates \
		$(grep -oE '"/[^"]+"' "$work/settings" | tr -d '"'); do
		[ ! -e "$f" ] || {
			mkdir -p "$ROOT${f%/*}"
			cp -aLT "$f" "$ROOT$f"
		}
	done
	chroot "$ROOT" "${CLEAN[@]}" update-ca-certificates
	# Mirrors and proxies are nobody else's business.
	rm -r "$work"
}

# clone: HEAD and the name of its branch, as from a server
clone() {
	local branch

	branch=$(git -C "$TOP" symbolic-ref -q --short HEAD) || branch=''
	git -C "$TOP" bundle create -q "$ROOT/repository" HEAD ${branch:+"$branch"}
	in_root "git clone -q /repository $CLONE && rm /repository"
}

# --- its stages -------------------------------------------------------------------

# isolated FUNCTION [ARG...]: with mounts and processes that end with unshare, as
# that does with this script
isolated() {
	export log
	exec setpriv --pdeathsig KILL \
		unshare --mount --pid --ipc --fork --kill-child --mount-proc \
		"$DEV/fresh.sh" --inside "$@"
}

# children_cpu: in CPU the seconds that all children which have ended took
children_cpu() {
	times >"$log/times"
	CPU=$(tail -n 1 "$log/times" | tr ms '  ' |
		awk '{ print int($1 * 60 + $2 + $3 * 60 + $4 + 0.5) }')
}

# stamped FILE: standard input to standard output and, with seconds in front, to FILE
stamped() {
	local line start=$EPOCHSECONDS

	while IFS= read -r line || [ -n "$line" ]; do
		printf '%s\n' "$line"
		printf '%d %s\n' $((EPOCHSECONDS - start)) "$line" >&3
	done 3>"$1"
}

# timed FILE FUNCTION...: isolated, with the output in FILE, stamped; sets RC, WALL and
# CPU. In the background, so that a signal to this script has not to wait for its end.
timed() {
	local file=$1 start=$SECONDS before out reader

	RC=0
	shift
	children_cpu
	before=$CPU
	exec {out}> >(stamped "$file")
	reader=$!
	isolated "$@" >&"$out" 2>&1 </dev/null {out}>&- &
	at_work=$!
	wait "$at_work" || RC=$?
	at_work=''
	exec {out}>&-
	wait "$reader" || :
	children_cpu
	WALL=$((SECONDS - start)) CPU=$((CPU - before))
}

# stage NAME FUNCTION: a row of the table; what fails here ends it all
stage() {
	local name=$1 file=$log/${1//[^a-z0-9-]/_}.log

	say "== $name"
	timed "$file" "$2"
	[ "$RC" -eq 0 ] || die "$name failed, exit status $RC (log: $file)"
	row "$name" "$WALL" "$CPU" ok >>"$log/table"
}

# readme_command COMMAND: one of them, its parts, and what it says of itself
readme_command() {
	local file=$log/${1//[^a-z0-9-]/_}.log result=ok name secs dir

	say "== $1"
	timed "$file" in_root "cd $CLONE && $1"
	if [ "$RC" -ne 0 ]; then
		result="FAILED, exit status $RC"
		failed=$((failed + 1))
	fi
	{
		parts "$file" | while IFS=$'\t' read -r name secs; do
			row "   $name" "$secs" '' ''
		done
		row "$1" "$WALL" "$CPU" "$result"
		# dev/test.sh has a table of its own.
		for dir in "$ROOT$CLONE"/build/results/*-test; do
			[ ! -s "$dir/summary" ] || [ -e "$log/${dir##*/}" ] || {
				cp -a "$dir" "$log/"
				sed '/^$/d; s/^/   | /' "$dir/summary"
			}
		done
	} >>"$log/table"
}

# remove_root: with what is on it, never with what is mounted there
remove_root() {
	[ -z "$at_work" ] || { kill -KILL "$at_work"; wait "$at_work"; } 2>/dev/null || :
	[ -e "$ROOT" ] || return 0
	if grep -qF " $ROOT/" /proc/self/mounts; then
		say "$ROOT is left: something is mounted there" >&2
	elif [ "${KEEP:-0}" = 1 ]; then
		say "kept: $ROOT"
	else
		rm -rf --one-file-system "$ROOT"
	fi
}

# plant PACKAGE: a test that passes where somebody has installed it
plant() {
	local t=$ROOT$CLONE/dev/tests/series/test_planted

	cat >"$t" <<-END
	#!/bin/bash
	command -v $1 && echo '1 passed, 0 failed' && exit
	echo 'needs $1, which is not there'
	echo '0 passed, 1 failed'
	exit 1
	END
	chmod +x "$t"
}

main() {
	local c

	if [ "${1:-}" = --inside ] && [ -n "${log:-}" ]; then
		"${@:2}"
		return
	fi
	[ $# -eq 0 ] || usage
	case ${ONLY:-} in
	''|demo|test)	;;
	*)		die "ONLY=$ONLY: demo or test" ;;
	esac
	mapfile -t todo < <(commands "$TOP/README.md")
	[ "${#todo[@]}" -gt 0 ] || die "README.md names no commands in \"See it\""
	[ "$(id -u)" -eq 0 ] || die "needs root, for mounts and chroot"
	for c in mmdebstrap unshare:util-linux setpriv:util-linux git; do
		need_tool "${c%:*}" "${c#*:}"
	done
	[ -z "$(git -C "$TOP" status --porcelain -uno)" ] ||
		say "what is not committed in $TOP is not in the clone"
	[ "${PLANT:-0}" != 1 ] || PLANT=less
	need_space "$ROOT" 20000

	lock fresh
	log=$(new_results fresh) || die "cannot create a directory in $RESULTS"
	at_work='' failed=0
	remove_root
	[ ! -e "$ROOT" ] || die "$ROOT is in the way; remove it"
	at_exit remove_root
	{
		say "A fresh Debian 12 with $(nproc) CPUs, $(git -C "$TOP" describe \
			--always), $(date +%F)"
		say ""
		row stage seconds 'CPU s' result
	} >"$log/table"
	stage "make the root" make_root
	stage "clone" clone
	[ "${PLANT:-0}" = 0 ] || plant "$PLANT"
	for c in "${todo[@]}"; do
		readme_command "$c"
	done
	say ""
	cat "$log/table"
	say "(logs: $log)"
	say "fresh: $((${#todo[@]} - failed)) passed, $failed failed"
	[ "$failed" -eq 0 ]
}

# The unit tests take the functions alone.
[ "${BASH_SOURCE[0]}" != "$0" ] || main "$@"
