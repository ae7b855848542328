#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What of the series the tests reach: lines and branches, counted with gcov.
#
#   dev/stress/coverage.sh             boot all tests, then report
#   dev/stress/coverage.sh report DIR  report again, of the counters in DIR
#
# The kernel cover-on has to be built. Booted are the selftests with proxy execution
# on and off, KUnit, and torture for MINUTES= (5). init in the guest packs the
# counters when its job has ended, so a guest that hangs counts nothing; a boot
# that is not good is named, and is a failure.
#
# build/results/<stamp>-coverage has the counters of each boot (boots/), their sum
# (merged/), what gcov says of them (gcov.json) and the report (coverage.txt).

set -u
# shellcheck source=dev/guest/guest-lib.sh
. "$(dirname "$0")/../guest/guest-lib.sh"

config=cover-on
O=$BUILD/o/$config
failed=()

# boot NAME COMMAND...: run it, and note it if it fails; its guests leave their
# results below $dir
boot() {
	local name=$1

	shift
	say "-- coverage: $name"
	RESULTS=$dir/guests/$name "$@" >"$dir/$name.log" 2>&1 || {
		grep '^FAIL\|: missed\|passed, ' "$dir/$name.log" | tail -n 8
		failed+=("$name")
	}
}

# unpack: the counters of each guest
unpack() {
	local results to n=0

	while read -r results; do
		n=$((n + 1))
		to=$dir/boots/$n
		mkdir -p "$to" || return 1
		if ! tr -d '\r' <"$results" |
		   sed '1,/^@@gcov-begin$/d; /^@@gcov-end/,$d' | base64 -d |
		   tar -C "$to" -xz; then
			say "no counters in ${results%/*}"
			rm -rf "$to"
			failed+=("${results#"$dir/guests/"}")
		fi
	done < <(find "$dir/guests" -name results -type f | sort)
}

# merge: the sum of the boots in $dir/merged
merge() {
	local b next

	rm -rf "$dir/merged"
	for b in "$dir"/boots/*/; do
		[ -d "$b" ] || return 1
		if [ ! -d "$dir/merged" ]; then
			cp -r "$b" "$dir/merged" || return 1
			continue
		fi
		next=$dir/merged.new
		rm -rf "$next"
		gcov-tool merge -o "$next" "$dir/merged" "$b" &&
		rm -rf "$dir/merged" && mv "$next" "$dir/merged" || return 1
	done
}

# gcov of each object, one JSON a line
count() {
	local data notes

	find "$dir/merged" -name '*.gcda' | LC_ALL=C sort | while read -r data; do
		notes=$O/${data#*"/o/$config/"}
		cp "${notes%.gcda}.gcno" "${data%.gcda}.gcno" || exit 1
		( cd "${data%/*}" && gcov --json-format --branch-probabilities \
			--stdout "${data##*/}" ) || exit 1
	done
}

report() {
	local base tip rc

	step "merge the counters" "$dir/merge.log" merge
	if ! count >"$dir/gcov.json" 2>"$dir/gcov.log" || [ ! -s "$dir/gcov.json" ]; then
		die "gcov cannot read the counters (log: $dir/gcov.log)"
	fi
	base=$(git -C "$KSRC" rev-parse --verify -q refs/proxy/base) ||
		die "$KSRC has no base: run 'make tree'"
	tip=$(sed -n 's/^source //p' "$O/source.id")
	git -C "$KSRC" diff -U0 "$base..$tip" -- '*.c' '*.h' >"$dir/series.diff" ||
		die "no difference between base and ${tip:-nothing} in $KSRC"
	"$DEV/results/coverage-report.py" --boots-failed "${failed[*]}" \
		"$dir/gcov.json" "$dir/series.diff" "$KSRC" >"$dir/coverage.txt"
	rc=$?
	cat "$dir/coverage.txt"
	say "$dir"
	return "$rc"
}

need_tool gcov gcc
need_tool gcov-tool gcc
case ${1:-}:$# in
:0)
	[ -f "$O/build.id" ] ||
		die "kernel $config is not built: run 'make kernel CONFIG=$config'"
	dir=$(new_results coverage) || die "cannot create a directory in $RESULTS"
	mkdir -p "$dir/guests" ;;
report:2)
	dir=$2
	[ -d "$dir/boots" ] || die "$dir has no counters (boots/)" ;;
*)
	usage ;;
esac

if [ "${1:-}" != report ]; then
	boot selftests "$DEV/guest/guest.sh" selftests "$config" on icount
	boot selftests-off "$DEV/guest/guest.sh" selftests "$config" off icount
	boot kunit "$DEV/guest/guest.sh" kunit "$config"
	boot torture env KERNELS="$config" MINUTES="${MINUTES:-5}" \
		"$DEV/stress/torture.sh"
	unpack || die "cannot unpack the counters below $dir"
fi
report
