#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# How the series differs from what it was at another commit of this repository:
#
#   dev/series/range-diff.sh FROM [OPTION...]
#
# FROM is a tag, branch or commit. Both are put on their base, the other one in
# commits that no branch has, and handed to git range-diff with the options.

set -euo pipefail
# shellcheck source=dev/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=dev/series/tree-lib.sh
. "$(dirname "$0")/tree-lib.sh"

tmp=$BUILD/range-diff.tmp

# stack DIR NAME: the commits of DIR/patches on the base of DIR/base/pin, as
# "BASE TIP" in STACK
stack() {
	local version='' base

	version=$(sed -n 's/^version=//p' "$1/base/pin") || :
	[ -n "$version" ] || die "$2: base/pin names no kernel"
	base=$(ref "$(base_ref "$version")")
	[ -n "$base" ] || base=$("$DEV/series/base.sh" import "$version")
	PATCHES=$1/patches
	materialise "$base" "$tmp/wt" ||
		die "$2: $FAILURE (log: $BUILD/log/am.log)"
	STACK="$base..$TIP"
}

from=${1:-}
[ -n "$from" ] || die "since when? make range-diff FROM=tag-or-commit"
shift
need_tool git
kgit -C "$TOP" rev-parse -q --verify "$from^{commit}" >/dev/null ||
	die "FROM=$from: no such commit of this repository"
kgit -C "$TOP" cat-file -e "$from:patches/series" 2>/dev/null ||
	die "FROM=$from: has no patches/series"
[ -d "$TREE/.git" ] || die "no tree in build/linux; run 'make tree' first"

lock tree
rm -rf "$tmp"
at_exit "rm -rf '$tmp'"
mkdir -p "$tmp/old"
kgit -C "$TOP" archive "$from" patches base | tar -x -C "$tmp/old"
stack "$tmp/old" "$from"
old=$STACK
stack "$TOP" "now"
unlock tree
kgit -C "$TREE" --no-pager range-diff "$@" "$old" "$STACK"
