#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Write the commits of build/linux back to patches/ and the files that they
# add to their place in the repository (the overlay). Touches nothing else.
# FORCE=1 overwrites overlay files and patches changed by hand.

set -euo pipefail
# shellcheck source=dev/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=dev/series/tree-lib.sh
. "$(dirname "$0")/tree-lib.sh"

OUT=$BUILD/refresh.tmp
KEY=$TREE/.git/proxy-key

# Our commits: one line of history, by the role, with nobody's tags.
check_commits() {
	local c who tags

	[ -z "$(kgit -C "$TREE" rev-list --merges "$base..$tip")" ] ||
		die "there is a merge in build/linux; the series is a line"
	while read -r c; do
		who=$(kgit -C "$TREE" log -1 --format='%an <%ae>' "$c")
		[ "$who" = "$ROLE_NAME <$ROLE_EMAIL>" ] ||
			die "commit $(name_of "$c"): author is $who, has to be" \
			    "$ROLE_NAME <$ROLE_EMAIL> (git commit --amend" \
			    "--reset-author)"
		tags=$(kgit -C "$TREE" log -1 --format=%B "$c" | grep -oiE -m1 \
			'^(signed-off|reviewed|tested|acked|co-developed)-by:' ||
			:)
		[ -z "$tags" ] || die "commit $(name_of "$c"): has $tags; such" \
			"words are a person's own"
	done < <(kgit -C "$TREE" rev-list --reverse "$base..$tip")
}

name_of() {
	kgit -C "$TREE" log -1 --format='%h ("%s")' "$1"
}

# same A B: both exist with the same content and x bit
same() {
	[ -f "$1" ] && [ -f "$2" ] && cmp -s "$1" "$2" &&
		[ "$([ -x "$1" ]; echo $?)" = "$([ -x "$2" ]; echo $?)" ]
}

# An overlay file that is neither what the last export wrote nor what this one
# will write was changed by hand: it would be lost.
check_overlay() {
	local f edited=()

	while read -r f; do
		[ -e "$TOP/$f" ] || continue
		same "$TOP/$f" "$OUT/overlay/$f" && continue
		if [ -n "$exported" ] &&
		   kgit -C "$TREE" cat-file blob "$exported:$f" 2>/dev/null |
			cmp -s - "$TOP/$f"; then
			continue
		fi
		edited+=("$f")
	done < <(sort -u "$OUT/old" "$OUT/new")
	[ "${#edited[@]}" -eq 0 ] || [ "${FORCE:-}" = 1 ] ||
		die "changed in the overlay, not in build/linux: ${edited[*]};" \
		    "copy it into build/linux and commit it there, or run" \
		    "'make refresh FORCE=1' to overwrite it"
}

# install_file FROM TO: unless it is the same already
install_file() {
	if same "$1" "$2"; then
		return
	fi
	mkdir -p "$(dirname "$2")"
	cp -p "$1" "$2.refresh"
	mv "$2.refresh" "$2"
	say "   ${2#"$TOP"/}"
}

remove_file() {
	rm -f "$1"
	say "   ${1#"$TOP"/} (removed)"
	rmdir -p --ignore-fail-on-non-empty "$(dirname "$1")" 2>/dev/null || :
}

lock tree
need_tool git
[ -d "$TREE/.git" ] || die "no tree in build/linux; run 'make tree' first"
what=$(in_progress "$TREE/.git")
[ -z "$what" ] || die "build/linux is in the middle of a git operation" \
	"($what); finish or abort it there first"
[ ! -e "$TREE/.git/proxy-switch" ] ||
	die "the last 'make tree' was cut short; run it again first"
dirty=$(kgit -C "$TREE" status --porcelain | head -n 1)
[ -z "$dirty" ] || die "build/linux has uncommitted changes (${dirty:3} ...);" \
	"fold them into the commits they belong to first"
[ "$(kgit -C "$TREE" symbolic-ref -q HEAD)" = "refs/heads/$BRANCH" ] ||
	die "build/linux is not on branch $BRANCH; 'git -C build/linux checkout" \
	    "$BRANCH' first"

base=$(ref refs/proxy/base)
tip=$(ref "refs/heads/$BRANCH")
exported=$(ref refs/proxy/exported)
kgit -C "$TREE" merge-base --is-ancestor "$base" "$tip" ||
	die "branch $BRANCH of build/linux does not stand on the base $base"
if grep -qsx mode=newest "$BUILD/linux-base" && [ "${FORCE:-}" != 1 ]; then
	die "build/linux does not stand on the pinned base; 'dev/series/base.sh repin'" \
	    "makes its base the pin, 'make tree BASE=pin' goes back to it"
fi
check_commits

# Patches that came with a pull or were edited by hand are not in the tree.
done_key=''
[ ! -r "$KEY" ] || read -r done_key _ <"$KEY"
if [ "$tip" != "$exported" ] && [ -n "$done_key" ] &&
   [ "$done_key" != "$(series_key "$base")" ] && [ "${FORCE:-}" != 1 ]; then
	die "patches/ changed since the last 'make tree' and build/linux has" \
	    "commits of its own; refresh would undo the former ('make refresh" \
	    "FORCE=1' does so), git has to bring them together"
fi
if [ "$tip" = "$exported" ] && [ -n "$done_key" ] &&
   [ "$done_key" != "$(series_key "$base")" ] && [ "${FORCE:-}" != 1 ]; then
	die "patches/ changed since the last 'make tree'; run 'make tree' first"
fi

at_exit "rm -rf '$OUT'"
export_stack "$base" "$tip" "$OUT"
(cd "$OUT/overlay" && find . ! -type d -printf '%P\n') | sort >"$OUT/new"
# What the patches of now have put into the overlay.
if compgen -G "$PATCHES/[0-9]*.patch" >/dev/null; then
	added "$PATCHES"/[0-9]*.patch
fi >"$OUT/old"
check_overlay

say "refresh: $(kgit -C "$TREE" rev-list --count "$base..$tip") patches"
mkdir -p "$PATCHES"
for f in "$OUT"/patches/*; do
	install_file "$f" "$PATCHES/${f##*/}"
done
for f in "$PATCHES"/[0-9]*.patch; do
	[ -e "$f" ] && [ ! -e "$OUT/patches/${f##*/}" ] || continue
	remove_file "$f"
done
while read -r f; do
	install_file "$OUT/overlay/$f" "$TOP/$f"
done <"$OUT/new"
while read -r f; do
	[ ! -e "$TOP/$f" ] || remove_file "$TOP/$f"
done < <(comm -23 "$OUT/old" "$OUT/new")

kgit -C "$TREE" update-ref refs/proxy/exported "$tip"
echo "$(series_key "$base") $tip" >"$KEY.tmp"
mv "$KEY.tmp" "$KEY"
