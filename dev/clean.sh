#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
#   dev/clean.sh       remove what was built; keep build/dl and build/linux
#   dev/clean.sh all   remove build/, unless build/linux has work that is nowhere
#                   else (FORCE=1: even then)

set -euo pipefail
# shellcheck source=dev/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=dev/series/tree-lib.sh
. "$(dirname "$0")/series/tree-lib.sh"

# Why build/ must not go, or nothing.
work() {
	local dirty b

	[ -d "$TREE/.git" ] || return 0
	if [ -n "$(in_progress "$TREE/.git")" ]; then
		echo "is in the middle of a git operation"
		return
	fi
	dirty=$(kgit -C "$TREE" status --porcelain | head -n 1)
	if [ -n "$dirty" ]; then
		echo "has uncommitted changes (${dirty:3} ...)"
		return
	fi
	# Any branch counts, and a detached HEAD.
	b=$(kgit -C "$TREE" rev-list -1 HEAD --branches --not \
		refs/proxy/exported "--glob=refs/proxy/bases/*")
	if [ -n "$b" ]; then
		echo "has commits that are not in patches/ (${b:0:12} ...)"
	elif [ -n "$(kgit -C "$TREE" for-each-ref refs/stash)" ]; then
		echo "has a git stash"
	fi
}

[ -d "$BUILD" ] || exit 0
lock tree
case ${1:-} in
'')
	# Worktrees of build/linux are scratch; forget them.
	find "$BUILD" -mindepth 1 -maxdepth 1 ! -name dl ! -name linux \
		! -name linux-base ! -name '*.lock' \
		! -name .proxy-exec-build -exec rm -rf {} +
	[ ! -d "$TREE/.git" ] || kgit -C "$TREE" worktree prune ;;
all)
	why=$(work)
	[ -z "$why" ] || [ "${FORCE:-}" = 1 ] ||
		die "build/linux $why; 'make refresh' keeps what is committed," \
		    "'make distclean FORCE=1' throws it away"
	rm -rf "$BUILD" ;;
*)
	usage ;;
esac
