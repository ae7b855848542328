#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Record one inversion with proxy execution off and on, and draw both.
#
#   dev/guest/trace.sh [SCENE]
#
# SCENE: a variant of tools/testing/selftests/proxy_exec/scenes.c, see `trace.sh
# list'; default other_fifo. PHASE= another phase of the round.
# Writes build/results/trace-SCENE.svg, .txt and .json for each boot, and the
# traces themselves, .off.trace.gz and .on.trace.gz.

set -u
# shellcheck source=dev/guest/guest-lib.sh
. "$(dirname "$0")/guest-lib.sh"

scene=${1:-other_fifo}
from=$KSRC/tools/testing/selftests/proxy_exec/scenes.c
[ -f "$from" ] || die "no $from: run 'make tree' first"
scenes=$(sed -n 's/^FIXTURE_VARIANT_ADD(scenes, \(.*\))$/\1/p' "$from")
if [ "$scene" = list ]; then
	echo "$scenes"
	exit
fi
grep -qx -- "$scene" <<<"$scenes" ||
	die "no scene named $scene; there are:" "$(paste -sd' ' <<<"$scenes")"

"$DEV/guest/kernel.sh" build trace-on || exit 1
make_jobdir
job=$(job_with trace "SCENE=$scene" "PHASE=${PHASE:-0}") ||
	die "cannot write a job"
out=$RESULTS/trace-$scene
for proxy in off on; do
	"$DEV/guest/qemu.sh" --proxy "$proxy" --timeout "${TIMEOUT:-600}" \
		trace-on "$job" "trace-$scene-$proxy" >"$JOBDIR/out" 2>&1 || {
		cat "$JOBDIR/out"
		die "the boot with proxy execution $proxy failed"
	}
	dir=$(tail -n 1 "$JOBDIR/out")
	tr -d '\r' <"$dir/results" | sed '1,/^@@trace-begin$/d; /^@@trace-end/,$d' |
		base64 -d >"$out.$proxy.trace.gz" || die "no trace in $dir"
	gzip -t "$out.$proxy.trace.gz" || die "the trace in $dir is not whole"
done
"$DEV/results/timeline.py" -o "$out" --title "Scene $scene" "$out.off.trace.gz" \
	"$out.on.trace.gz" || exit 1
say "$out.svg: a picture; $out-1.json (off) and $out-2.json (on) are for" \
    "ui.perfetto.dev, $out-1.txt and $out-2.txt for grep"
