#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What would be mailed, and to whom: each part of the series (patches/parts), or
# only one.
#
#   dev/series/send.sh [PART]
#
# The mails are left in build/send/part-N: the patches of build/linux behind the
# part's cover letter, to the maintainers, reviewers and lists that the tree's
# own get_maintainer.pl names for the part. Then git send-email goes through the
# motions; V=1 shows all that it says. Nothing is ever sent from here: --dry-run,
# and no mail server.

set -euo pipefail
# shellcheck source=dev/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=dev/series/tree-lib.sh
. "$(dirname "$0")/tree-lib.sh"

OUT=$BUILD/send
V=${V:-0}
ROLE="$ROLE_NAME <$ROLE_EMAIL>"

# who OPTION... PATCH...: addresses, one a line
who() {
	(cd "$TREE" && scripts/get_maintainer.pl --norolestats --nogit \
		--nogit-fallback "$@" 2>"$OUT/log") ||
		die "get_maintainer.pl fails: $(head -n 1 "$OUT/log")"
}

# fill MAIL SUBJECT TEXT: the cover letter into what format-patch has made
fill() {
	awk -v subject="$2" '
		FNR == NR { text = text $0 "\n"; next }
		sub(/\*\*\* SUBJECT HERE \*\*\*$/, "") { print $0 subject; next }
		$0 == "*** BLURB HERE ***" { printf "%s", text; next }
		{ print }' "$3" "$1" >"$1.tmp"
	mv "$1.tmp" "$1"
}

# part NUMBER FIRST LAST TITLE
part() {
	local n=$1 d=$OUT/part-$1 to cc a args=()

	cover "$n" >"$OUT/cover" 2>"$OUT/log" || die "$(head -n 1 "$OUT/log")"
	kgit -C "$TREE" format-patch -q -o "$d" --cover-letter --numbered \
		--thread=shallow --no-renames --diff-algorithm=myers \
		--no-signature --no-base --no-signoff --no-color \
		--from="$ROLE" "${commits[$2 - 1]}..${commits[$3]}"
	fill "$d/0000-cover-letter.patch" \
		"sched: Proxy execution, part $n of $count: $4" "$OUT/cover"
	to=$(who --nol --nor "$d"/*.patch | grep -vF "<$ROLE_EMAIL>") || :
	cc=$(who --nom "$d"/*.patch | grep -vxF "$to") || :
	[ -n "$to" ] || die "part $n: get_maintainer.pl names no maintainer"
	while read -r a; do
		args+=("--to=$a")
	done <<<"$to"
	while read -r a; do
		[ -z "$a" ] || args+=("--cc=$a")
	done <<<"$cc"
	say "== Part $n: $4, $(($3 - $2 + 1)) patches, in $d"
	kgit -C "$TREE" send-email --dry-run --smtp-server=/bin/false \
		--from="$ROLE" --suppress-cc=all --no-thread --confirm=never \
		--8bit-encoding=UTF-8 "${args[@]}" "$d"/*.patch \
		>"$d/dry-run" 2>"$OUT/log" </dev/null ||
		die "git send-email fails: $(grep -m 1 . "$OUT/log")"
	# All mails of a part go to the same people.
	if [ "$V" = 1 ]; then
		cat "$d/dry-run"
	else
		sed "s/^/To: /" <<<"$to"
		[ -z "$cc" ] || sed "s/^/Cc: /" <<<"$cc"
		grep '^Subject: ' "$d/dry-run"
	fi
	mails=$((mails + $3 - $2 + 2))
}

need_tool git
[ -x "$(git --exec-path)/git-send-email" ] ||
	die "missing tool: git send-email (Debian package git-email);" \
	    "run 'make deps'"
[ "$(cut -d ' ' -f 1 "$TREE/.git/proxy-key" 2>/dev/null)" = \
	"$(series_key "$(ref refs/proxy/base)")" ] ||
	die "build/linux does not have the patches of now; run 'make tree' first"
list=$(parts 2>/dev/null) ||
	die "patches/parts is not right; 'dev/review/check.sh series' says why"
count=$(wc -l <<<"$list")
[ -z "${1:-}" ] || list=$(awk -v n="$1" '$1 == n' <<<"$list")
[ -n "$list" ] || die "PART=$1: there is no such part"

rm -rf "$OUT"
mkdir -p "$OUT"
mapfile -t commits < <(ref refs/proxy/base
	kgit -C "$TREE" rev-list --reverse refs/proxy/base..refs/proxy/exported)
mails=0
while read -r n first last title; do
	part "$n" "$first" "$last" "$title"
done <<<"$list"
say "$mails mails, none sent. They carry no Signed-off-by; whoever sends them adds it."
