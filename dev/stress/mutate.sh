#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Plant single faults in the series, one at a time, and see that a test notices.
#
#   dev/stress/mutate.sh [PATTERN...]
#
# Each file of dev/stress/mutants is a fault: a head of `What:' it is, the `Test:' that
# has to notice, options `Kernel:' (default lean-on) and `Expect:' (not ok, which
# is the default; hang; any), a line of dashes, and the change. The test is a
# program of the selftests with its options, kunit, or torture and a scenario, for
# a minute. PATTERN (shell patterns, also K=) selects some; SAMPLE=n takes only n
# of them, with each commit the next ones. Caught is a fault if the test, which
# has to pass without it, ran and failed, the kernel complained or the guest hung.
# One that survives, does not apply or does not build fails the run.
#
# Builds in build/mutants, from a worktree of build/linux.

set -u
# shellcheck source=dev/guest/guest-lib.sh
. "$(dirname "$0")/../guest/guest-lib.sh"

read -ra patterns <<<"${*:-${K:-*}}"
tip=proxy-exec
M=$BUILD/mutants
src=$M/linux			# named as in build/, for ccache
git -C "$KSRC" rev-parse -q --verify "$tip" >/dev/null ||
	die "no branch $tip in $KSRC: run 'make tree' first"
mkdir -p "$M" || die "cannot create $M"
lock mutants
git -C "$KSRC" worktree prune
if [ ! -e "$src/.git" ]; then
	rm -rf "$src"
	git -C "$KSRC" worktree add -f -q --detach "$src" "$tip" ||
		die "cannot make a worktree in $src"
fi
log=$(new_results mutants) || die "cannot create a directory in $RESULTS"

# Results, images and objects are apart from those of the series.
mutant_env() {
	env KSRC="$src" BUILD="$M" "$@"
}

pristine() {
	git -C "$src" checkout -q -f --detach "$tip" &&
		git -C "$src" clean -qfd
}

declare -A built=()
base() { # KERNEL: the kernel and its selftests, without a fault
	[ -z "${built[$1]:-}" ] || return 0
	if ! pristine ||
	   ! mutant_env "$DEV/guest/kernel.sh" build "$1" >"$log/$1.log" 2>&1; then
		die "cannot build $1 for the mutants (log: $log/$1.log)"
	fi
	built[$1]=1
}

head_of() { # FIELD FILE
	sed -n "/^---\$/q; s/^$1: *//p" "$2"
}

# run FILE: sets HOW, what became of it
run() {
	local name kernel expect test limit=300 dir rc
	local out

	touch "$log"
	name=$(basename "$1" .patch)
	out=$log/$name
	kernel=$(head_of Kernel "$1")
	expect=$(head_of Expect "$1")
	test=$(head_of Test "$1")
	: "${kernel:=lean-on}" "${expect:=not ok}"
	[ "$expect" != hang ] || limit=100
	base "$kernel"
	pristine || { HOW="cannot restore the source"; return 1; }
	sed '1,/^---$/d' "$1" | git -C "$src" apply - 2>"$out.log" ||
		{ HOW="does not apply"; return 1; }
	mutant_env "$DEV/guest/kernel.sh" image "$kernel" >>"$out.log" 2>&1 ||
		{ HOW="does not build"; return 1; }
	if [ "$test" = kunit ]; then
		mutant_env TIMEOUT=$limit "$DEV/guest/guest.sh" kunit "$kernel" >>"$out.log" 2>&1
		rc=$?
		dir=$(tail -n 1 "$out.log")
		cat "$dir/results" >>"$out.log"
	elif [[ $test = torture\ * ]]; then
		K=${test#torture } KERNELS=$kernel MINUTES=1 GUESTS=1 SEED=1 \
			mutant_env "$DEV/stress/torture.sh" >>"$out.log" 2>&1
		rc=$?
		dir=$(find "$M/results" -maxdepth 1 -newer "$log" \
			-name "*-torture-$kernel-${test#torture }*" | tail -n 1)
		cat "$dir/results" >>"$out.log"
	else
		mutant_env CONFIG="$kernel" MODE=icount PROXY=on \
			TIMEOUT=$limit "$DEV/guest/guest.sh" run \
			"cd /kselftest/proxy_exec && ./$test" >>"$out.log" 2>&1
		rc=$?
		dir=$(sed -n 's/^exit status .* (\(.*\))$/\1/p' "$out.log" |
			tail -n 1)
	fi
	# One that hangs before KUnit has written anything has done its part; so has
	# one that takes the kernel down before the test, if that is what is expected.
	if [ "$expect" != hang ] && ! grep -qE '^K?TAP version' "$out.log" &&
	   ! { [ "$expect" = any ] && grep -q '^FAIL .*console: oops:' "$out.log"; }
	then
		HOW="the test did not start"
		return 1
	fi
	if grep -qE '^1\.\.0' "$out.log"; then
		HOW="no such test"
		return 1
	fi
	if [ "$rc" -eq 0 ]; then
		HOW="SURVIVED"
		return 1
	fi
	HOW=$(sed -n 's/^not ok [0-9]* //p' "$out.log" | tr -d '\r' |
		paste -sd' ' | cut -c1-60)
	if [ -z "$HOW" ]; then
		HOW=$(sed -n 's/^FAIL run: //p' "$out.log" \
			${dir:+"$dir/verdict"} | head -n 1 | cut -c1-60)
		[ "$expect" != 'not ok' ] ||
			HOW="not by the test: ${HOW:-exit status $rc}"
	fi
	: "${HOW:=$(sed -n 's/^FAIL //p' ${dir:+"$dir/verdict"} 2>/dev/null |
		head -n 1 | cut -c1-60)}"
	: "${HOW:=exit status $rc}"
	[ "${HOW#not by the test}" = "$HOW" ]
}

# control KERNEL FILE...: without a fault, what has to notice them is content
control() {
	local kernel=$1 out=$log/control-$1 f t

	shift
	base "$kernel"
	{
		echo 'cd /kselftest/proxy_exec || exit 1'
		for f in "$@"; do
			t=$(head_of Test "$f")
			case $t in
			kunit|torture\ *) ;;
			*) echo "./$t || { echo \"control failed: $t\"; bad=1; }" ;;
			esac
		done | sort -u
		# shellcheck disable=SC2016
		echo 'exit ${bad:-0}'
	} >"$out.cmd"
	# Nothing but the frame: others have tests of their own.
	[ "$(wc -l <"$out.cmd")" -gt 2 ] || return 0
	mutant_env CONFIG="$kernel" MODE=icount PROXY=on TIMEOUT=1200 \
		"$DEV/guest/guest.sh" run "$(cat "$out.cmd")" >"$out.log" 2>&1 &&
		return
	HOW=$(sed -n 's/^control failed: //p' "$out.log" | tr -d '\r' | paste -sd' ')
	return 1
}

# row NAME LABEL GOOD BAD COMMAND...: run it, count it, and say what it came to
row() {
	local start word=$3

	start=$(now)
	HOW=''
	if "${@:5}"; then
		caught=$((caught + 1))
	else
		failed=$((failed + 1))
		word=$4
	fi
	echo "$1 $word" >>"$log/table"
	say "$(printf '%-22s %-10s %3d s  %s' "$2" "$word" \
		$(($(now) - start)) "$HOW")"
}

# choose: the files that PATTERN and SAMPLE leave, one a line
choose() {
	local f p files=() n=${SAMPLE:-0} first

	for f in "$DEV"/stress/mutants/*.patch; do
		for p in "${patterns[@]}"; do
			# shellcheck disable=SC2254
			case $(basename "$f" .patch) in
			$p)
				files+=("$f")
				break ;;
			esac
		done
	done
	[ "${#files[@]}" -gt 0 ] || return
	if [ "$n" -eq 0 ] || [ "$n" -ge "${#files[@]}" ]; then
		printf '%s\n' "${files[@]}"
		return
	fi
	first=$(($(git -C "$TOP" rev-list --count HEAD 2>/dev/null || echo 0) * n))
	while [ "$n" -gt 0 ]; do
		echo "${files[first % ${#files[@]}]}"
		first=$((first + 1))
		n=$((n - 1))
	done
}

mapfile -t chosen < <(choose)
[ "${#chosen[@]}" -gt 0 ] || die "no mutant matches '${patterns[*]}'"
caught=0 failed=0
declare -A of_kernel=()
for f in "${chosen[@]}"; do
	k=$(head_of Kernel "$f")
	of_kernel[${k:-lean-on}]+="$f"$'\n'
done
for k in $(printf "%s\n" "${!of_kernel[@]}" | sort); do
	mapfile -t files <<<"${of_kernel[$k]%$'\n'}"
	row "no-fault,$k" "no fault, $k" passes 'NOT CLEAN' control "$k" "${files[@]}"
done
for f in "${chosen[@]}"; do
	name=$(basename "$f" .patch)
	row "$name" "$name" caught 'NOT CAUGHT' run "$f"
done
pristine
all=("$DEV"/stress/mutants/*.patch)
say "(${#chosen[@]} of ${#all[@]} faults; logs: $log)"
say "mutants: $caught passed, $failed failed"
[ "$failed" -eq 0 ]
