#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Is each part of the series (patches/parts) good for itself? At the last patch of
# each, kernels with and without the option are built and booted.
#
#   dev/review/boundaries.sh [PART...]
#
# The tests are those of the patch that adds them, or of the part if it has them;
# what they need of the kernel that is not there yet decides which of them run, see
# programs() here. WRITE=1 puts the table into the cover letter, if it is all parts.

set -u
# shellcheck source=dev/guest/guest-lib.sh
. "$(dirname "$0")/../guest/guest-lib.sh"
# shellcheck source=dev/series/tree-lib.sh
. "$(dirname "$0")/../series/tree-lib.sh"

TESTS=tools/testing/selftests
ADDED='selftests/proxy_exec: Add tests'
work=$BUILD/boundaries
wt=$work/linux
passed=0 failed=0

# programs PART: of the tests that expect proxy execution, those for what it has;
# none is none, and no word all
programs() {
	case $1 in
	1)	echo none ;;			# no option
	2)	echo "$ONE_CPU" ;;		# owners on the same CPU
	esac
}
ONE_CPU='donation accounting wakeup'

# run CONFIG on|off|absent PROGRAM...: boots, prints what came of it
run() {
	KSRC=$wt BUILD=$work RESULTS=$RESULTS "$DEV/guest/guest.sh" selftests "$1" "$2" icount \
		"${@:3}" >"$log" 2>&1 </dev/null
	sed -n 's/^selftests-.*: \([0-9]* passed, [0-9]* failed.*\)/\1/p' "$log" |
		tail -n 1
}

# count OUTCOME WHAT: adds "N passed, N failed[, N skipped]"; nothing is one failure
count() {
	local p f s

	read -r p f s <<<"$(sed 's/ passed, / /; s/ failed,\{0,1\}//; s/ skipped//' \
		<<<"$1")"
	if [ -z "${p:-}" ]; then
		say "FAIL $2: did not boot (log: $log)"
		p=0 f=1
	fi
	passed=$((passed + p)) failed=$((failed + f))
	cell=$p
	[ "$f" -eq 0 ] || cell="$cell, $f failed"
	[ "${s:-0}" -eq 0 ] || cell="$cell, $s skipped"
}

# boundary NUMBER COMMIT TITLE
boundary() {
	local n=$1 c=$2 config names on=- off=-

	if ! { kgit -C "$wt" reset -q --hard && kgit -C "$wt" clean -qfd &&
	       kgit -C "$wt" checkout -q --detach "$c"; }; then
		die "cannot check out $c in $wt"
	fi
	if [ ! -e "$wt/$TESTS/proxy_exec" ]; then
		kgit -C "$wt" checkout -q "$tests" -- "$TESTS/proxy_exec" \
			"$TESTS/Makefile" || die "cannot add the tests to $wt"
	fi
	read -ra names <<<"$(programs "$n")"
	for config in lean-off lean-on; do
		[ "$config ${names[*]:-}" != "lean-on none" ] || continue
		log=$BUILD/log/boundary-$n-$config.log
		if ! VANILLA=1 KSRC=$wt BUILD=$work "$DEV/guest/kernel.sh" build $config \
				>"$log" 2>&1 </dev/null; then
			say "FAIL part $n: $config cannot be built (log: $log)"
			failed=$((failed + 1))
			continue
		fi
		case $config in
		lean-off)
			count "$(run lean-off absent)" "part $n, lean-off"
			off=$cell ;;
		lean-on)
			count "$(run lean-on on "${names[@]}")" "part $n, lean-on"
			on=$cell ;;
		esac
	done
	printf '%-43s %5s   %-14s %s\n' "$3" "$4" "$off" "$on" >>"$table"
	tail -n 1 "$table"
}

# Before anything that takes long
list=$(parts 2>/dev/null) ||
	die "patches/parts is not right; 'dev/review/check.sh series' says why"
for n; do
	grep -q "^$n " <<<"$list" || die "$n: there is no such part"
done
lock boundaries
lock tree
[ -d "$TREE" ] || die "no $TREE: run 'make tree' first"
mkdir -p "$work" "$BUILD/log"
tip=$(ref proxy-exec)
[ -n "$tip" ] || die "no series in $TREE: run 'make tree'"
mapfile -t p < <(series_paths)
base=$(ref refs/proxy/base)
mapfile -t commits < <(kgit -C "$TREE" rev-list --reverse "$base..$tip")
[ "${#commits[@]}" -eq "${#p[@]}" ] ||
	die "$TREE has ${#commits[@]} commits, patches/ has ${#p[@]}: run 'make refresh'"
tests=$(kgit -C "$TREE" log --format=%H --grep="^$ADDED\$" -n 1 "$base..$tip")
[ -n "$tests" ] || die "no patch has the subject \"$ADDED\""
{ [ -e "$wt/.git" ] && kgit -C "$wt" rev-parse -q HEAD >/dev/null 2>&1; } ||
	scratch "$wt" "$tip" || die "cannot make the worktree $wt"
# All that is read from here on is in the worktree.
unlock tree
table=$work/table
printf '%-43s %5s   %-14s %s\n' "passed at the end of" last "option n" on >"$table"
cat "$table"
while read -r n _ last title; do
	[ $# -eq 0 ] || [[ " $* " = *" $n "* ]] || continue
	boundary "$n" "${commits[last - 1]}" "part $n, $title" "$last"
done <<<"$list"
say "$passed passed, $failed failed"
if [ -n "${WRITE:-}" ] && [ $# -eq 0 ] && [ "$failed" -eq 0 ]; then
	{
		echo 'Selftests on a kernel of each part, with the tests for what it has by'
		echo 'then; where the option is n the inversions have to be there:'
		echo
		cat "$table"
	} >"$work/text"
	"$DEV/results/put-table.py" --mark boundaries "$work/text"
fi
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
