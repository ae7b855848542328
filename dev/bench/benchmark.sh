#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What proxy execution costs where there is nothing to cure, how that grows, and
# what a cure takes, in the virtual time of -icount: the same figures each time.
#
#   dev/bench/benchmark.sh [--short] [GROUP...]
#
# Three kernels of the same source: without the option (n), with it but switched
# off at boot (off), and with it (on). A= and B= are two others: a source tree, or
# a configuration of dev/guest/config/configs, with :off to boot it so.
#
# A GROUP is a function of jobs/bench, or sizes, what check.sh objects
# says; without, all of $groups below. Each kernel boots several times and runs
# everything a little later each time, because what fair tasks do depends on where
# in a tick they begin: 3 times, but for groups that need more to tell (boots_of
# below), or PHASES= times. GUESTS= (as many as CPUs) run at once, on a CPU each.
# --short is for the test command: context switches and uncontended locks on small
# kernels, once.
#
# bench-report.py has the targets, dev/review/excuses/bench the known misses, each with
# a ceiling; any other is a failure, and so is one above its ceiling, and a line that
# a run of everything did not need. Such a run leaves that list as it would have it,
# build/bench/bench.excuses. WRITE=1 puts the summary in README and cover letter.

set -u
# shellcheck source=dev/guest/guest-lib.sh
. "$(dirname "$0")/../guest/guest-lib.sh"

groups='switch pair contend messages wakeup process files net growth irq cure sizes'
tools='hackbench cyclictest perf dbench tbench tbench_srv'
kernel=bench phases=${PHASES:-} out=bench

# boots_of GROUP
boots_of() {
	case $phases:$1 in
	[0-9]*)		echo "$phases" ;;
	# Waits for a lock: two regimes, and the longest of thousands
	:contend)	echo 6 ;;
	# off/n of a fork is +0.94 over three and +0.30 +- 0.4 over eight.
	:process)	echo 8 ;;
	*)		echo 3 ;;
	esac
}

case ${GUESTS:-1} in
''|*[!0-9]*|0) die "GUESTS=$GUESTS: not a number" ;;
esac
case ${PHASES:-1} in
*[!0-9]*|0) die "PHASES=$PHASES: not a number" ;;
esac
if [ "${1:-}" = --short ]; then
	shift
	kernel=short phases=1 out=short
	set -- switch pair
fi
if [ $# -gt 0 ]; then
	for group; do
		case " $groups " in
		*" $group "*) ;;
		*) die "no group is called $group; there are: $groups" ;;
		esac
	done
	[ "$out" = short ] || out=part
	groups=$*
fi
[ -z "${WRITE:-}" ] || [ "$out" = bench ] ||
	die "WRITE=1: only with all groups"
need_tool gcc
start=$(now)
work=$BUILD/bench
mkdir -p "$work" || die "cannot create $work"

has() { # GROUP
	[[ " $groups " == *" $1 "* ]]
}

# built WORD: build what A= or B= says; prints "BUILD CONFIG PROXY"
built() {
	local what=${1%:off} proxy='' dir=$BUILD

	[ "$what" = "$1" ] || proxy=off
	if [ -d "$what" ]; then
		what=$(cd "$what" && pwd)
		dir=$work/tree-$(echo "$what" | sha256sum | cut -c1-12)
		mkdir -p "$dir" &&
		KSRC=$what BUILD=$dir VANILLA=1 "$DEV/guest/kernel.sh" build bench-on >&2 ||
			die "cannot build $what"
		echo "$dir bench-on $proxy"
	else
		# What it says in between is not the answer.
		"$DEV/guest/kernel.sh" build "$what" >&2 || exit 1
		echo "$dir $what $proxy"
	fi
}

# The tools and what they are linked with
pack_tools() {
	local r=$work/tools t

	rm -rf "$r" && mkdir -p "$r/tools/bin" "$r/tools/lib" "$r/lib64" || return 1
	for t in $tools; do
		t=$(command -v "$t") || return 1
		cp -L "$t" "$r/tools/bin/" || return 1
		ldd "$t" | grep -o '/[^ ]*' | grep -v /ld-linux |
			xargs -r cp -Lut "$r/tools/lib/" || return 1
	done
	cp -L /lib64/ld-linux-x86-64.so.2 "$r/lib64/" &&
	cp /usr/share/dbench/client.txt "$r/tools/" &&
	tar -C "$r" --sort=name --mtime=@0 --owner=0 --group=0 \
		-cf "$work/tools.tar" .
}

# module BUILD CONFIG DIR
module() {
	mkdir -p "$3" && cp "$DEV"/bench/{Kbuild,lockbench.c} "$3/" &&
	make -C "$1/o/$2" M="$3" modules
}

# What boots: "KIND PHASE GROUPS"
todo=()
guest=$(echo " $groups " | sed 's/ \(irq\|sizes\) / /g; s/ \(irq\|sizes\) / /g')
if [ -n "${A:-}" ] || [ -n "${B:-}" ]; then
	[ -n "${A:-}" ] && [ -n "${B:-}" ] || die "A= and B= go together"
	out=two kinds='a b'
	a=$(built "$A") && b=$(built "$B") || exit 1
else
	kinds='n off on'
	n=$(built $kernel-off) && off=$(built $kernel-on:off) || exit 1
	on="${off% *} on"
fi
most=0
for group in $guest; do
	[ "$(boots_of "$group")" -le "$most" ] || most=$(boots_of "$group")
done
for ((phase = 0; phase < most; phase++)); do
	for kind in $kinds; do
		what=' '
		for group in $guest; do
			[ "$phase" -ge "$(boots_of "$group")" ] || what+="$group "
		done
		# Without the option there is no module that plays the scenes.
		[ "$kind" != n ] || what=${what/ cure / }
		[ -z "${what// /}" ] || todo+=("$kind $phase ${what# }")
	done
done
if has irq && [ "$out" != two ]; then
	irq_off=$(built bench-irq:off) || exit 1
	irq_on="${irq_off% *} on"
	: "$irq_off" "$irq_on"
	kinds+=' irq_off irq_on'
	todo+=('irq_off 0 irq' 'irq_on 0 irq')
fi
: "${n:-}" "${on:-}" "${a:-}" "${b:-}"

extra=()
if has messages || has wakeup || has files || has net; then
	for t in $tools; do
		need_tool "$t" "of group bench of dev/deps.sh"
	done
	pack_tools || die "cannot pack the tools"
	extra=(--extra "$work/tools.tar")
fi
gcc -O2 -static -o "$work/bench" "$DEV/bench/bench.c" ||
	die "cannot build dev/bench/bench.c"
for kind in $kinds; do
	read -r dir config proxy <<<"${!kind}"
	[ "$work/mod-$config/lockbench.ko" -nt "$dir/o/$config/vmlinux" ] &&
	[ "$work/mod-$config/lockbench.ko" -nt "$DEV/bench/lockbench.c" ] &&
	[ "$dir" = "$(cat "$work/mod-$config/of" 2>/dev/null)" ] ||
	step "build the module for $config" "$work/module-$config.log" \
		module "$dir" "$config" "$work/mod-$config"
	echo "$dir" >"$work/mod-$config/of"
done

make_jobdir
scenes=$(sed -n 's/^FIXTURE_VARIANT_ADD(scenes, \(.*\))$/\1/p' \
	"$KSRC/tools/testing/selftests/proxy_exec/scenes.c" | paste -sd' ')
boot() { # KIND PHASE GROUPS HOST-CPU
	local dir config proxy job opts=() d=$JOBDIR/$1-$2

	read -r dir config proxy <<<"${!1}"
	mkdir -p "$d"
	job=$(JOBDIR=$d job_with bench "PHASE=$2" "WHAT=$3" "SCENES=$scenes") ||
		return 1
	[ -z "$proxy" ] || opts=(--proxy "$proxy")
	[ "$3" != irq ] || opts+=(--smp 1)
	BUILD=$dir RESULTS=$RESULTS "$DEV/guest/qemu.sh" "${opts[@]}" --donations any \
		--skips allowed --host-cpu "$4" --timeout "${TIMEOUT:-3000}" \
		--extra "$work/mod-$config/lockbench.ko" --extra "$work/bench" \
		"${extra[@]}" "$config" "$job" "bench-$1-$2" >"$d/out" 2>&1
}
# Those that nothing runs on, of the CPUs this shell may use
mapfile -t idle < <(python3 -c '
import os
print(*sorted(os.sched_getaffinity(0)), sep="\n")')
[ -z "${GUESTS:-}" ] || [ "$GUESTS" -ge "${#idle[@]}" ] ||
	idle=("${idle[@]:0:GUESTS}")
declare -A cpu_of
for words in "${todo[@]}"; do
	read -r kind phase what <<<"$words"
	if [ ${#idle[@]} -eq 0 ]; then
		wait -n -p ended
		idle=("${cpu_of[$ended]}")
	fi
	say "boot $kind, phase $phase: $what"
	boot "$kind" "$phase" "$what" "${idle[0]}" &
	cpu_of[$!]=${idle[0]}
	idle=("${idle[@]:1}")
done
wait
# Each row that is missing is a failure of its own; here is why.
args=() last=''
for words in "${todo[@]}"; do
	read -r kind phase what <<<"$words"
	o=$JOBDIR/$kind-$phase/out
	dir=$(tail -n 1 "$o")
	if [ ! -f "$dir/results" ]; then
		cat "$o"
		die "the boot of kernel $kind, phase $phase, failed"
	fi
	grep '^FAIL' "$dir/verdict" | sed "s/^/$kind $phase: /"
	tr -d '\r' <"$dir/results" | grep '^# .*failed:' |
		sed "s/^#/$kind $phase:/"
done
for kind in $kinds; do
	for words in "${todo[@]}"; do
		[ "${words%% *}" = "$kind" ] || continue
		[ "$last" = "$kind" ] || args+=("--${kind/_/-}")
		last=$kind
		read -r _ phase what <<<"$words"
		args+=("$(tail -n 1 "$JOBDIR/$kind-$phase/out"):${what// /,}")
	done
done
rc=0
if has sizes && [ "$out" != two ]; then
	"$DEV/review/check.sh" objects || rc=1
	args+=(--text "$BUILD/check/objects.txt")
fi
case $out in
two)	known=() ;;
short)	known=(--known --run short --whole) ;;
# A line of the list is of so many boots.
bench)	known=(--known) && [ -n "$phases" ] || known+=(--whole) ;;
*)	known=(--known) ;;
esac
"$DEV/results/bench-report.py" --out "$work/$out" "${known[@]}" "${args[@]}" || rc=1
say "(bench: $(($(now) - start)) s; tables in $work/$out.txt, figures in $out.json)"
[ -z "${WRITE:-}" ] || "$DEV/results/put-table.py" "$work/bench.summary" || rc=1
exit "$rc"
