#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Pack the initramfs of a run: busybox, init, the selftests and modules of a
# kernel built by dev/guest/kernel.sh, and the job. The same input gives the same
# bytes. Prints the path of the image.
#
#   dev/guest/initramfs.sh CONFIG JOBFILE [EXTRAFILE...]
#
# Extra files go to /extra in the guest.

set -u
# shellcheck source=dev/guest/guest-lib.sh
. "$(dirname "$0")/guest-lib.sh"

[ $# -ge 2 ] || usage
config=$1 job=$2
shift 2
O=$BUILD/o/$config

need_tool cpio
need_tool gzip
need_tool readelf binutils
need_tool strip binutils
[ -f "$job" ] || die "no such job: $job"
guest_arch "$config"
[ -f "$O/$IMAGE" ] ||
	die "kernel $config is not built: run 'make kernel CONFIG=$config'"
if [ "$GUEST_ARCH" != x86_64 ]; then
	BUSYBOX=$("$DEV/series/foreign.sh" "$GUEST_ARCH" busybox-static)/bin/busybox ||
		exit 1
fi
BUSYBOX=${BUSYBOX:-/bin/busybox}
[ -x "$BUSYBOX" ] || die "missing $BUSYBOX: run 'make deps'"
if ldd "$BUSYBOX" >/dev/null 2>&1; then
	die "$BUSYBOX is not static: install busybox-static ('make deps')"
fi

mkdir -p "$BUILD/initrd" || die "cannot create $BUILD/initrd"
need_space "$BUILD/initrd" 200
tmp=$(mktemp -d "$BUILD/initrd/tmp.XXXXXX") || die "cannot create a directory"
at_exit 'rm -rf "$tmp"'
r=$tmp/root

# Nothing in the guest can load a program that is not static.
check_static() {
	local f

	for f in "$r"/kselftest/proxy_exec/* "$r"/extra/*; do
		if readelf -lW "$f" 2>/dev/null | grep -q 'INTERP'; then
			die "${f##*/} is not linked statically"
		fi
	done
}

install_root() {
	local f

	mkdir -p "$r"/{bin,dev,proc,sys,tmp,root,etc,guest,modules,extra} &&
	install -m 755 "$BUSYBOX" "$r/bin/busybox" &&
	install -m 755 "$DEV/guest/inside/init" "$r/init" &&
	install -m 644 "$DEV/guest/inside/lib.sh" "$r/guest/lib.sh" &&
	install -m 644 "$job" "$r/job" &&
	install -m 644 "$O/requested" "$r/etc/requested" || return 1
	if [ -e "$DEV/guest/inside/exit-$GUEST_ARCH.c" ]; then
		"${CROSS}gcc" -O2 -static -o "$r/bin/guest-exit" \
			"$DEV/guest/inside/exit-$GUEST_ARCH.c" || return 1
	fi
	# init makes the links of the applets
	for f in kernel/torture.ko kernel/locking/locktorture.ko \
		 kernel/locking/test-ww_mutex.ko; do
		[ ! -f "$O/$f" ] || cp "$O/$f" "$r/modules/" || return 1
	done
	if [ -d "$O/kselftest_install" ]; then
		cp -r "$O/kselftest_install" "$r/kselftest" || return 1
		find "$r/kselftest" -name '*.ko' -exec "${CROSS}strip" -g {} + ||
			return 1
	fi
	"${CROSS}strip" -g "$r"/modules/*.ko 2>/dev/null
	for f in "$@"; do
		install -m 755 "$f" "$r/extra/" || return 1
	done
}

pack() {
	find "$r" -exec touch -h -d @1767225600 {} + &&
	( cd "$r" && find . -print0 | LC_ALL=C sort -z |
		cpio --null --create --format=newc --reproducible \
			--owner=0:0 --quiet ) >"$tmp/cpio" &&
	gzip -n -6 "$tmp/cpio"
}

install_root "$@" || die "cannot install the initramfs below $r"
check_static
pack || die "cannot pack the initramfs"
sum=$(sha256sum <"$tmp/cpio.gz" | cut -c1-16)
image=$BUILD/initrd/$config-$sum.img
touch "$tmp/cpio.gz"
mv "$tmp/cpio.gz" "$image" || die "cannot write $image"
# Old images go, the newest stay for whoever repeats a qemu.cmd.
find "$BUILD/initrd" -maxdepth 1 -name '*.img' -printf '%T@ %p\n' | sort -rn |
	sed '1,24d; s/^[^ ]* //' | xargs -rd '\n' rm -f
echo "$image"
