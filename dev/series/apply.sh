#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Put the series on a tree of the user's: LINUX=dir dev/series/apply.sh. A git tree gets
# a new branch, a plain one is patched in place, and when a patch does not
# apply the tree is as it was.

set -euo pipefail
# shellcheck source=dev/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=dev/series/tree-lib.sh
. "$(dirname "$0")/tree-lib.sh"

# Here the user's own git configuration holds: identity, hooks, signing.
ugit() {
	git -C "$dir" "$@" </dev/null
}

version() {
	awk '$2 == "=" && $1 ~ /^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION)$/ {
		v[$1] = $3
	}
	END { if (v["VERSION"] != "")
		print v["VERSION"] "." v["PATCHLEVEL"] "." v["SUBLEVEL"] \
			v["EXTRAVERSION"] }' "$1/Makefile"
}

is_git() {
	[ "$(ugit rev-parse --show-toplevel 2>/dev/null)" = "$dir" ]
}

check_target() {
	local new

	[ -n "${LINUX:-}" ] || die "which kernel tree? make apply LINUX=dir"
	[ -d "$LINUX" ] || die "LINUX=$LINUX: no such directory"
	dir=$(cd "$LINUX" && pwd -P)
	[ -f "$dir/Makefile" ] && [ -d "$dir/kernel/sched" ] ||
		die "LINUX=$LINUX: not a kernel source tree"
	version=$(version "$dir")
	case $version in
	'')	die "LINUX=$LINUX: not a kernel source tree (no VERSION in its" \
		"Makefile)" ;;
	6.12.*)	;;
	*)	die "LINUX=$LINUX: it is Linux $version; the series is for 6.12.y" ;;
	esac
	new=$(added "${patches[@]}" | head -n 1)
	[ -z "$new" ] || [ ! -e "$dir/$new" ] ||
		die "LINUX=$LINUX: has $new already; the series, or another" \
		    "version of it, seems to be applied"
}

check_git() {
	local what dirty

	what=$(in_progress "$(ugit rev-parse --absolute-git-dir)")
	[ -z "$what" ] || die "LINUX=$LINUX: is in the middle of a git" \
		"operation ($what); finish or abort it first"
	dirty=$(ugit status --porcelain -uno | head -n 1)
	[ -z "$dirty" ] || die "LINUX=$LINUX: has uncommitted changes" \
		"(${dirty:3} ...); commit or stash them first"
	ugit rev-parse -q --verify HEAD >/dev/null ||
		die "LINUX=$LINUX: has no commit yet"
}

# Back to where the user was; does nothing once the work is done.
undo_git() {
	[ -n "$branch" ] || return 0
	ugit am --abort >/dev/null 2>&1 || :
	ugit checkout -q -f "$from"
	ugit branch -q -D "$branch"
	branch=''
}

# `git am -3' merges with the file as it was before the patch, found by its
# hash, and wants those of all files of the patch. The user's repository may
# have the files of the base, but never what they are between two of our
# patches: make these when there is something to merge.
provide_blobs() {
	local f pre

	grep -qv '^same ' <<<"$drift" || return 0
	while read -r f; do
		pre=$(preimage "$f" "${patches[@]}")
		kgit -C "$TREE" cat-file blob "$pre" >"$tmp/base" 2>/dev/null ||
			ugit cat-file blob "$pre" >"$tmp/base" 2>/dev/null ||
			continue	# added by the series, or nowhere
		replay "$tmp/work" "$f" "$tmp/base" write_blob || :
	done < <(touched "${patches[@]}")
}

write_blob() {
	ugit hash-object -w --no-filters "$1" >/dev/null
}

apply_git() {
	local n=1 log=$BUILD/log/apply.log failure new

	check_git
	if [ -z "$(ugit config user.email)$(printenv EMAIL GIT_COMMITTER_EMAIL)" ]
	then
		export GIT_COMMITTER_NAME=$ROLE_NAME
		export GIT_COMMITTER_EMAIL=$ROLE_EMAIL
	fi
	from=$(ugit symbolic-ref -q --short HEAD || ugit rev-parse HEAD)
	while ugit rev-parse -q --verify "refs/heads/proxy-exec-$n" >/dev/null
	do
		n=$((n + 1))
	done
	new=proxy-exec-$n
	provide_blobs
	at_exit undo_git
	ugit checkout -q -b "$new"
	branch=$new
	if ! ugit am -3 -q --patch-format=mbox -- "${patches[@]}" >"$log" 2>&1
	then
		failure=$(am_failure "$log" "$dir" "${patches[@]}")
		undo_git
		die "$failure; $LINUX is back on $from, nothing has changed" \
		    "(log: $log)"
	fi
	branch=''
	say "$LINUX: ${#patches[@]} patches on the new branch $new"
	say "To sign them off as a sender:  git rebase --signoff $from"
}

# Patch a copy of the touched files; only the complete result goes back.
apply_plain() {
	local f p log=$BUILD/log/apply.log

	need_tool patch
	touched "${patches[@]}" >"$tmp/files"
	mkdir "$tmp/new" "$tmp/old"
	while read -r f; do
		[ -e "$dir/$f" ] || continue
		[ -w "$dir/$f" ] || die "LINUX=$LINUX: cannot write $f"
		mkdir -p "$tmp/new/${f%/*}" "$tmp/old/${f%/*}"
		cp -p "$dir/$f" "$tmp/new/$f"
		cp -p "$dir/$f" "$tmp/old/$f"
	done < <(sed 's|^[^/]*$|./&|' "$tmp/files")
	: >"$log"
	for p in "${patches[@]}"; do
		echo "${p##*/}" >>"$log"
		patch -d "$tmp/new" -p1 -F0 -f --no-backup-if-mismatch \
			-r - <"$p" >>"$log" 2>&1 ||
			die "patch ${p##*/} does not apply:" \
			    "$(failed_file "$log"); nothing has changed in" \
			    "$LINUX (log: $log)"
	done
	undo_from=$tmp/old
	at_exit undo_plain
	while read -r f; do
		if [ -e "$tmp/new/$f" ]; then
			mkdir -p "$(dirname "$dir/$f")"
			put "$tmp/new/$f" "$dir/$f"
		else
			rm -f "$dir/$f"
		fi
	done <"$tmp/files"
	undo_from=''
	say "$LINUX: ${#patches[@]} patches applied to the files themselves" \
	    "(no git tree)"
}

# By rename, as patch(1) does: trees made by `cp -al' share their files.
put() {
	cp -p "$1" "$2.proxy-exec"
	mv "$2.proxy-exec" "$2"
}

undo_plain() {
	local f

	[ -n "$undo_from" ] || return 0
	while read -r f; do
		if [ -e "$undo_from/$f" ]; then
			cmp -s "$undo_from/$f" "$dir/$f" ||
				put "$undo_from/$f" "$dir/$f"
		else
			rm -f "$dir/$f"
		fi
		rm -f "$dir/$f.proxy-exec"
	done <"$undo_from/../files"
	say "$LINUX is as it was" >&2
}

# The first file that patch(1) complained about.
failed_file() {
	awk '/^patching file / { f = substr($0, 15) }
	     /^\|\+\+\+ b\// { f = substr($1, 8) }
	     /^The next patch would create the file / { f = $8; sub(/,$/, "", f) }
	     /FAILED|ignored|already exists|^patch: / { print f; exit }' "$1"
}

branch='' undo_from='' version='' dir=''
need_tool git
mapfile -t patches < <(series_paths)
[ "${#patches[@]}" -gt 0 ] || die "there are no patches"
check_target
own_build
mkdir -p "$BUILD/log"
tmp=$(mktemp -d)
at_exit "rm -rf '$tmp'"
say "$LINUX: Linux $version; the files that the series touches:"
drift=$("$(dirname "$0")/drift.sh" "$dir")
printf '%s\n' "$drift" | awk '{ n[$1]++ } $1 != "same" { print "   " $0 }
	END { printf "   %d same, %d apply, %d by 3-way merge, %d fail\n",
		n["same"], n["applies"], n["3-way"], n["fails"] }'
if is_git; then
	apply_git
else
	apply_plain
fi
say "To enable it:  scripts/config -e SCHED_PROXY_EXEC && make olddefconfig"
say "To see that it is on, after boot:  dmesg | grep sched/proxy"
