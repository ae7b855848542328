#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Have BPF schedulers take tasks out of the fair class, and give them back, while
# these wait for locks.
#
#   dev/stress/scx.sh [CONFIG]
#
# CONFIG (ext-on) has to be built. SCHEDULERS= (scx_simple scx_qmap) are the kernel's
# own, of tools/sched_ext. Three boots: selftests with each of them loaded, see
# jobs/scx; then, with one host thread per CPU, selftests that go on for a
# while, and locktorture, while the schedulers are loaded and unloaded in turn for
# TURNS= (20) seconds.

set -u
# shellcheck source=dev/guest/guest-lib.sh
. "$(dirname "$0")/../guest/guest-lib.sh"

[ $# -le 1 ] || usage
config=${1:-ext-on} turns=${TURNS:-20}
schedulers=${SCHEDULERS:-scx_simple scx_qmap}
O=$BUILD/o/$config
work=$BUILD/scx/$config
boot_file=$KSRC/tools/testing/selftests/rcutorture/configs/lock/PROXY-MUTEX.boot

case $turns in
''|*[!0-9]*|0) die "TURNS=$turns: not a number" ;;
esac
guest_arch "$config"
[ "$GUEST_ARCH" = x86_64 ] || die "$config: schedulers are built for x86_64 only"
[ -f "$O/vmlinux" ] || die "kernel $config is not built"
grep -qsx CONFIG_SCHED_CLASS_EXT=y "$O/.config" ||
	die "kernel $config has no CONFIG_SCHED_CLASS_EXT"
[ -f "$boot_file" ] || die "no $boot_file: run 'make tree'"

# What the schedulers' README asks for
clang=''
for c in clang clang-19 clang-18 clang-17 clang-16; do
	v=$("$c" -dumpversion 2>/dev/null)
	if [ "${v%%.*}" -ge 16 ] 2>/dev/null; then
		clang=$c
		break
	fi
done
[ -n "$clang" ] ||
	die "missing tool: clang 16 or later (Debian package clang-16);" \
	    "run 'dev/deps.sh matrix'"
need_tool gcc
need_tool make
need_tool strip binutils
for lib in libelf.a=libelf-dev libz.a=zlib1g-dev; do
	[[ $(gcc -print-file-name="${lib%=*}") == /* ]] ||
		die "missing ${lib%=*} (Debian package ${lib#*=}); run 'dev/deps.sh matrix'"
done

# Statically linked, and only they: bpftool, which comes first, would not be.
build() {
	local make s

	# Nothing has to strip what only bpftool itself looks at.
	make=(make -C "$KSRC/tools/sched_ext" O="$work" VMLINUX_BTF="$O/vmlinux"
	      CLANG="$clang" LLVM_STRIP=true "-j$(job_count)")
	mkdir -p "$work" || return 1
	for s in $schedulers; do
		"${make[@]}" "$work/build/include/$s.bpf.skel.h" &&
		"${make[@]}" LDFLAGS='-static -lelf -lz -lpthread' "$s" &&
		strip -o "$work/$s" "$work/build/bin/$s" || return 1
	done
}

lock scx
need_space "$BUILD" 300
step "build the BPF schedulers" "$work.log" build
unlock scx
extra=()
for s in $schedulers; do
	extra+=(--extra "$work/$s")
done

# boot MODE PROGRAMS COUNTERS JOB NAME
boot() {
	"$DEV/guest/qemu.sh" --mode "$1" --programs "$2" --donations "$3" \
		--timeout $((turns * 10 + 1200)) --append log_buf_len=16M \
		"${extra[@]}" "$config" "$4" "$5"
}

# parameters MODULE: what the scenario gives it
parameters() {
	sed -n "s/^$1\\.//p" "$boot_file" | paste -sd' '
}

# No CPU comes or goes: scx_simple would load itself anew.
make_jobdir
{
	job=$(job_with scx "SCHEDULERS=$schedulers" TURNS= PROXY_EXEC_TIMING=100) &&
		boot icount 'load donation wakeup away churn unload' \
			donations,degraded_class "$job" "scx-$config-selftests"
	job=$(job_with scx "SCHEDULERS=$schedulers" "TURNS=$turns" \
		PROXY_EXEC_TIMING=0) &&
		boot mttcg 'churn turns' donations,degraded_class "$job" \
			"scx-$config-turns"
	job=$(job_with torture SCENARIO=PROXY-MUTEX TYPE=locktorture \
		"TORTURE=$(parameters torture)" \
		"LOCKTORTURE=$(parameters locktorture) onoff_interval=0" \
		"SECONDS_RUN=$turns" DISTURB=class SEED=1 \
		"SCHEDULERS=$schedulers") &&
		boot mttcg PROXY-MUTEX donations,degraded_class "$job" \
			"scx-$config-torture"
} | tee "$JOBDIR/out"
read -r passed failed boots < <(sed -n \
	's/^scx-[^ ]*: \([0-9]*\) passed, \([0-9]*\) failed.*/\1 \2/p' \
	"$JOBDIR/out" |
	awk '{ p += $1; f += $2 } END { print p + 0, f + 0, NR }')
# A boot without a verdict has failed.
failed=$((failed + 3 - boots))
say "scx: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
