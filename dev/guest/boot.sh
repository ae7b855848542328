#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Boot a kernel and judge the boot, or with --shell use it.
#
#   dev/guest/boot.sh [--shell]
#
# Takes the environment variables of dev/guest/run.sh.

set -u
# shellcheck source=dev/guest/guest-lib.sh
. "$(dirname "$0")/guest-lib.sh"

opts=(--smp "${SMP:-4}" --mem "${MEM:-1024}")
[ -z "${PROXY:-}" ] || opts+=(--proxy "$PROXY")
[ -z "${APPEND:-}" ] || opts+=(--append "$APPEND")
if [ "${1:-}" = --shell ]; then
	# A person types: real time.
	exec "$DEV/guest/qemu.sh" --shell --mode "${MODE:-mttcg}" "${opts[@]}" \
		"${CONFIG:-lean-on}"
fi
exec "$DEV/guest/qemu.sh" --mode "${MODE:-icount}" --timeout "${TIMEOUT:-300}" \
	--donations any --skips allowed "${opts[@]}" \
	"${CONFIG:-lean-on}" "$DEV/guest/inside/jobs/boot" boot
