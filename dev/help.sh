#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# `make help': the targets of the makefiles given that have a `##' comment,
# by purpose. A target that no group below names comes under Other.

set -euo pipefail

groups=(
	'Start here:help demo test'
	'The series:tree refresh check bisect-check drift apply range-diff send-dry-run'
	'Kernel and guest:config kernel boot shell run trace report report-check deb'
	'Tests:fresh smoke test-full selftests selftests-debug kunit users boundaries torture mutants coverage model bench matrix'
	'Housekeeping:deps clean distclean'
)

declare -A text left
order=()
while IFS=$'\t' read -r target words; do
	[ -n "${text[$target]:-}" ] || order+=("$target")
	text[$target]=$words
	left[$target]=1
done < <(sed -n 's/^\([a-z][a-z0-9_-]*\)[^:=]*:.*[[:space:]]## *\(.*\)$/\1\t\2/p' "$@")

line() {
	local default=''

	[ "$1" != help ] || default=' (default)'
	printf '  %-15s %s%s\n' "$1" "${text[$1]}" "$default"
	unset "left[$1]"
}

echo "Usage: make TARGET [V=1 shows commands] [JOBS=n] [BUILD=dir]"
for g in "${groups[@]}"; do
	printf '\n%s\n' "${g%%:*}"
	for t in ${g#*:}; do
		[ -z "${text[$t]:-}" ] || line "$t"
	done
done
[ "${#left[@]}" -eq 0 ] || printf '\nOther\n'
for t in "${order[@]}"; do
	[ -z "${left[$t]:-}" ] || line "$t"
done
