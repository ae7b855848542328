#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Materialise patches/ in build/linux: branch proxy-exec = base plus one
# commit a patch. Only files that change get a new time stamp, so that kbuild
# stays incremental. Refuses to lose work. BASE= as in dev/series/base.sh.

set -euo pipefail
# shellcheck source=dev/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=dev/series/tree-lib.sh
. "$(dirname "$0")/tree-lib.sh"

KEY=$TREE/.git/proxy-key		# "key tip" of what is checked out
SWITCH=$TREE/.git/proxy-switch		# "from to" while the files change

# A run that was cut short while git was changing the files leaves some of
# them old and some new. They were clean before, so the new tip is right for
# all of them; what differs is kept aside all the same.
finish_switch() {
	local from to rescue

	[ -f "$SWITCH" ] || return 0
	read -r from to <"$SWITCH"
	say "the last 'make tree' was cut short; finishing it"
	rm -f "$TREE/.git/index.lock" "$TREE/.git/HEAD.lock" \
		"$TREE/.git/refs/heads/$BRANCH.lock"
	kgit -C "$TREE" update-index -q --refresh >/dev/null || :
	rescue=$(kgit -C "$TREE" -c user.name="$ROLE_NAME" \
		-c user.email="$ROLE_EMAIL" stash create 2>/dev/null) || :
	[ -z "$rescue" ] ||
		kgit -C "$TREE" update-ref refs/proxy/rescue "$rescue"
	kgit -C "$TREE" symbolic-ref HEAD "refs/heads/$BRANCH"
	kgit -C "$TREE" reset -q --hard "$to"
	# What only the former tip had.
	kgit -C "$TREE" diff --name-only -z --no-renames --diff-filter=D \
		"$from" "$to" | (cd "$TREE" && xargs -0 -r rm -f)
	rm -f "$SWITCH"
}

# Die when something in build/linux would be lost.
refuse_loss() {
	local head tip exported dirty what

	what=$(in_progress "$TREE/.git")
	[ -z "$what" ] || die "build/linux is in the middle of a git operation" \
		"($what); finish or abort it there first"
	dirty=$(kgit -C "$TREE" status --porcelain | head -n 1)
	[ -z "$dirty" ] || die "build/linux has uncommitted changes (${dirty:3}" \
		"...); commit them there and run 'make refresh' to keep them"
	tip=$(ref "refs/heads/$BRANCH")
	head=$(ref HEAD)
	exported=$(ref refs/proxy/exported)
	if [ "$head" != "$tip" ] &&
	   [ -z "$(kgit -C "$TREE" for-each-ref --contains "$head" \
			--count=1 refs/heads refs/proxy)" ]; then
		die "build/linux stands on commits of no branch; give them one" \
		    "(git -C build/linux branch NAME) to keep them"
	fi
	[ "$tip" != "$exported" ] || return 0
	# Commits that say what patches/ says are no loss.
	export_stack "$(ref refs/proxy/base)" "$tip" "$BUILD/export.tmp"
	at_exit "rm -rf '$BUILD/export.tmp'"
	diff -q <(cat "$BUILD"/export.tmp/patches/*.patch 2>/dev/null) \
		<(series_paths | xargs -r cat) >/dev/null ||
		die "build/linux has commits that are not in patches/; run" \
		    "'make refresh' to keep them, or 'git -C build/linux reset" \
		    "--hard refs/proxy/exported' to drop them"
}

switch_to() {
	local from to=$1

	from=$(ref HEAD)
	echo "$from $to" >"$SWITCH.tmp"
	mv "$SWITCH.tmp" "$SWITCH"
	kgit -C "$TREE" checkout -q -B "$BRANCH" "$to" ||
		{ rm -f "$SWITCH"; die "cannot check the result out in build/linux"; }
	rm -f "$SWITCH"
}

lock tree
need_tool git
if [ -d "$TREE/.git" ]; then
	finish_switch
fi
"$(dirname "$0")/base.sh"
mode='' version='' pinned='' commit=''
# shellcheck source=/dev/null
. "$BUILD/base-candidate"
count=$(series | wc -l)
key=$(series_key "$commit")

refuse_loss
done_key='' done_tip=''
[ ! -r "$KEY" ] || read -r done_key done_tip <"$KEY"
if [ "$done_key" = "$key" ] && [ "$done_tip" = "$(ref HEAD)" ] &&
   [ "$(kgit -C "$TREE" symbolic-ref -q HEAD)" = "refs/heads/$BRANCH" ]; then
	state='is up to date'
else
	am=()
	if [ "$mode" != pin ]; then
		say "base: $version, NOT the pinned $pinned; drift of the files" \
		    "that the series touches:"
		"$(dirname "$0")/drift.sh" "$commit" | sed 's/^/   /'
		am=(--3way)
	fi
	start=$SECONDS
	at_exit "rm -rf '$BUILD/tree.tmp'"
	materialise "$commit" "$BUILD/tree.tmp" "${am[@]}" ||
		die "$FAILURE (base $version, log: $BUILD/log/am.log);" \
		    "build/linux is as it was"
	switch_to "$TIP"
	kgit -C "$TREE" update-ref refs/proxy/base "$commit"
	kgit -C "$TREE" update-ref refs/proxy/exported "$TIP"
	echo "$key $TIP" >"$KEY.tmp"
	mv "$KEY.tmp" "$KEY"
	state="made in $((SECONDS - start)) s"
fi
mv "$BUILD/base-candidate" "$BUILD/linux-base"
[ "$mode" = pin ] || version="$version (NOT the pinned $pinned)"
say "build/linux: $count patches on $version, $state"
