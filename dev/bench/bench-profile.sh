#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Where the instructions of a benchmark go, by kernel symbol, counted by QEMU.
#
#   dev/bench/bench-profile.sh KERNEL [KERNEL] 'COMMAND'
#
# KERNEL is a configuration of dev/guest/config/configs that benchmark.sh has built the
# module for, with :off to boot it so; of two, what differs comes first. COMMAND
# runs in the guest with what dev/guest/inside/jobs/bench defines: '$B pipe 1 1 4000',
# 'lock contend mutex sleep 16 1000 1000 4000'. All CPUs of the guest are counted.

set -u
export LC_ALL=C
# shellcheck source=dev/guest/guest-lib.sh
. "$(dirname "$0")/../guest/guest-lib.sh"

[ $# -eq 2 ] || [ $# -eq 3 ] || usage
kernels=("${@:1:$#-1}") command=${!#}
work=$BUILD/bench
mkdir -p "$work" || die "cannot create $work"
need_tool gcc
gcc -O2 -static -o "$work/bench" "$DEV/bench/bench.c" ||
	die "cannot build dev/bench/bench.c"
gcc -O2 -shared -fPIC -o "$work/insns.so" "$DEV/bench/insns.c" ||
	die "cannot build dev/bench/insns.c"
make_jobdir
job=$(job_with bench PHASE=0 WHAT=profiled "COMMAND=$command") ||
	die "cannot write a job"
sums=()
for kernel in "${kernels[@]}"; do
	config=${kernel%:off} opts=(--proxy on)
	[ "$config" = "$kernel" ] || opts=(--proxy off)
	grep -qx CONFIG_SCHED_PROXY_EXEC=y "$BUILD/o/$config/requested" 2>/dev/null ||
		opts=()
	[ -f "$work/mod-$config/lockbench.ko" ] ||
		die "$work/mod-$config has no module: run 'make bench' first"
	raw=$work/profile-${kernel/:/-}
	"$DEV/guest/qemu.sh" "${opts[@]}" --donations any --skips allowed \
		--timeout "${TIMEOUT:-900}" --plugin "$work/insns.so,out=$raw" \
		--extra "$work/mod-$config/lockbench.ko" --extra "$work/bench" \
		"$config" "$job" profile >"$JOBDIR/out" ||
		{ cat "$JOBDIR/out"; die "the boot of $kernel failed"; }
	sort -k1,1 "$raw" >"$raw.sorted"
	# Blocks and symbols by address: the symbol in front of a block is its own.
	{
		sed 's/^/b /' "$raw.sorted"
		awk '$2 ~ /^[tTwW]$/ { print "a", $1, $3 }' "$BUILD/o/$config/System.map"
	} | sort -k2,2 -k1,1 | awk '
		$1 == "a" { symbol = $3; next }
		length($2) == 16 && $2 < "ffffffffa0000000" { n[symbol] += $3 * $4; next }
		length($2) == 16 { n["(modules)"] += $3 * $4; next }
		{ n["(user)"] += $3 * $4 }
		END { for (s in n) printf "%s %d\n", s, n[s] }' |
		sort -k1,1 >"$raw.symbols"
	sums+=("$raw.symbols")
done
if [ "${#sums[@]}" -eq 1 ]; then
	sort -k2,2nr "${sums[0]}" | head -n 40 | column -t
else
	say "symbol ${kernels[0]} ${kernels[1]} difference" >"$JOBDIR/table"
	join -a 1 -a 2 -e 0 -o 0,1.2,2.2 "${sums[@]}" | awk '
		{ d = $3 - $2; print (d < 0 ? -d : d), $1, $2, $3, d
		  a += $2; b += $3 }
		END { print 1e18, "(all)", a, b, b - a }' |
		sort -k1,1gr | head -n 40 | cut -d ' ' -f 2- >>"$JOBDIR/table"
	column -t "$JOBDIR/table"
fi
