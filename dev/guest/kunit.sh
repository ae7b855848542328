#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Boot a kernel that has our KUnit tests, let them run, count their results.
#
#   dev/guest/kunit.sh [CONFIG]
#
# CONFIG (debug-on) has to be built. TIMEOUT= (600) is how many seconds it may take.
# The kernel's own way to the same tests:
# tools/testing/kunit/kunit.py run --arch=x86_64 --kunitconfig=kernel/sched \
#	--kconfig_add CONFIG_SMP=y

set -u
# shellcheck source=dev/guest/guest-lib.sh
. "$(dirname "$0")/guest-lib.sh"

suite=sched_proxy
make_jobdir
job=$(job_with kunit "SUITE=$suite") || die "cannot write a job"
"$DEV/guest/qemu.sh" --donations any --programs kunit --timeout "${TIMEOUT:-600}" \
	--append "kunit.enable=1 kunit.filter_glob=$suite" \
	"${1:-debug-on}" "$job" "kunit-${1:-debug-on}" | tee "$JOBDIR/out"
rc=${PIPESTATUS[0]}
[ "$rc" -eq 0 ] || exit "$rc"
# What is compiled out is not passed. The run itself is one more.
cases=$(grep -c '^	KUNIT_CASE' "$KSRC/kernel/sched/proxy_test.c")
grep -q "^kunit-.*: $((cases + 1)) passed, 0 failed" "$JOBDIR/out" ||
	die "not all of the $cases cases have run"
