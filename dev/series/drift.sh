#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# How the series meets another kernel, file by file:
#
#   dev/series/drift.sh DIR       a kernel tree
#   dev/series/drift.sh COMMIT    a commit of build/linux
#   dev/series/drift.sh --all     every 6.12 that the archive has; writes base/compat.md
#   dev/series/drift.sh --boot    the same, and those that it applies to are built and run
#                       the selftests (kernel lean-on)
#
#   same       the file is as in the base (or not there, if the series adds it)
#   applies    it differs, the patches apply with no fuzz
#   3-way      the patches apply when git merges the differences
#   fails      someone has to look
#
# The index lines of the patches name the files of the base by hash, so no
# base is needed but for 3-way.

set -euo pipefail
# shellcheck source=dev/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=dev/series/tree-lib.sh
. "$(dirname "$0")/tree-lib.sh"

# target FILE: the content in the kernel looked at; fails when not there
target() {
	if [ -n "$dir" ]; then
		[ -f "$dir/$1" ] && cat "$dir/$1"
	else
		kgit -C "$TREE" cat-file blob "$commit:$1" 2>/dev/null
	fi
}

# blob ID: from build/linux or from the tree looked at
blob() {
	kgit -C "$TREE" cat-file blob "$1" 2>/dev/null ||
		{ [ -n "$dir" ] && kgit -C "$dir" cat-file blob "$1" 2>/dev/null; }
}

verdict() {
	local pre now

	pre=$(preimage "$1" "${patches[@]}")
	if ! target "$1" >"$tmp/now"; then
		[[ $pre =~ ^0+$ ]] && echo same || echo fails
		return
	fi
	now=$(kgit hash-object --no-filters "$tmp/now")
	if [ "$now" = "$pre" ]; then
		echo same
	elif [[ $pre =~ ^0+$ ]]; then
		echo fails
	elif replay "$work" "$1" "$tmp/now"; then
		echo applies
	elif blob "$pre" >"$tmp/base" && replay "$work" "$1" "$tmp/base" &&
	     kgit merge-file -q -p "$tmp/now" "$tmp/base" "$work/$1" \
			>/dev/null 2>&1; then
		echo 3-way
	else
		echo fails
	fi
}

report() {
	local f v

	dir='' commit=''
	if [ -d "$1" ]; then
		dir=$1
	elif [ -n "$(ref "$1")" ]; then
		commit=$1
	else
		die "$1: neither a directory nor a commit of build/linux"
	fi
	while read -r f; do
		v=$(verdict "$f")
		printf '%-8s %s\n' "$v" "$f"
	done < <(touched "${patches[@]}") | sort -k1,1r -k2
}

# boot VERSION COMMIT: what became of the series there: "N passed, N failed" of the
# selftests, or where it ended
boot() {
	local wt=$BUILD/drift/linux log=$BUILD/log/drift-$1.log results=$BUILD/results n

	if ! ( materialise "$2" "$BUILD/drift/am" -3 && echo "$TIP" >"$tmp/tip" )
	then
		echo "does not apply"
		return
	fi
	if [ ! -e "$wt/.git" ]; then
		scratch "$wt" "$2"
	fi
	if ! kgit -C "$wt" checkout -q -f --detach "$(cat "$tmp/tip")" >"$log" 2>&1
	then
		echo "no worktree"
	elif ! KSRC=$wt BUILD=$BUILD/drift \
		"$DEV/guest/kernel.sh" build lean-on >"$log" 2>&1; then
		echo "does not build"
	else
		KSRC=$wt BUILD=$(dirname "$wt") RESULTS=$results \
			"$DEV/guest/guest.sh" selftests lean-on on icount >"$log" 2>&1 || :
		n=$(sed -n 's/^selftests-.*: \([0-9]* passed, .*\)/\1/p' "$log")
		echo "${n:-did not boot}"
	fi
}

# Every version the archive has, without moving build/linux.
all() {
	local v commit boots='' n

	lock tree
	mkdir -p "$BUILD/drift" "$BUILD/log"
	{
		echo "# The series and the 6.12 kernels of Debian"
		echo
		echo "Written by \`make drift\`. Files of the series, by how the"
		echo "patches meet them; see dev/series/drift.sh for the words."
		echo
		echo "| version | same | applies | 3-way | fails |${1:+ selftests |}"
		echo "|---|---|---|---|---|${1:+---|}"
		while read -r v; do
			commit=$("$DEV/series/base.sh" import "$v")
			report "$commit" >"$tmp/report"
			n=$(grep -c '^fails ' "$tmp/report" || :)
			if [ -n "$1" ]; then
				boots=' - |'
				[ "$n" -gt 0 ] || boots=" $(boot "$v" "$commit") |"
			fi
			printf '| %s | %s |%s\n' "$v" "$(
				for w in same applies 3-way fails; do
					grep -c "^$w " "$tmp/report" || :
				done | paste -sd'|' | sed 's/|/ | /g')" "$boots"
			grep -v '^same ' "$tmp/report" >&2 || :
		done < <("$DEV/series/base.sh" versions)
	} >"$tmp/compat.md"
	rm -rf "$BUILD/drift"
	kgit -C "$TREE" worktree prune
	mv "$tmp/compat.md" "$TOP/base/compat.md"
	cat "$TOP/base/compat.md"
	! grep -qE '^\| .*(does not|did not|no worktree|[1-9][0-9]* failed)' \
		"$TOP/base/compat.md"
}

[ $# -eq 1 ] || usage
need_tool git
tmp=$(mktemp -d)
work=$tmp/work
at_exit "rm -rf '$tmp'"
mapfile -t patches < <(series_paths)
case $1 in
--all)	all '' ;;
--boot)	all boot ;;
*)	report "$1" ;;
esac
