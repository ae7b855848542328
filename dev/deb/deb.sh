#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Debian packages of a kernel with proxy execution, from your own configuration,
# and a boot of them under QEMU with Debian's userland.
#
#   dev/deb/deb.sh
#
#   DOTCONFIG=file  the configuration; Debian's own for its newest 6.12 if none
#   FLAVOUR=amd64   which of Debian's: amd64, or cloud-amd64, which is smaller
#   TRIM=1          only the modules that this machine has loaded (localmodconfig);
#                   LSMOD=file: those in an output of lsmod
#   BOOT=0          do not boot them
#   MINUTES=1       of lock torture in the guest
#
# dev/guest/config/deb.fragment and the option are merged over the configuration. The
# packages are in build/o; what happened in the guest, in build/results. systemd
# has to come up with no unit failed; then over the serial port somebody logs in
# and runs run_kselftest.sh and locktorture, see dev/deb/deb-boot.py.

set -u
# shellcheck source=dev/guest/guest-lib.sh
. "$(dirname "$0")/../guest/guest-lib.sh"

work=$BUILD/deb
O=$BUILD/o/deb
flavour=${FLAVOUR:-amd64}
minutes=${MINUTES:-1}
awk -v m="$minutes" 'BEGIN { exit !(m ~ /^[0-9]+(\.[0-9]+)?$/ && m > 0) }' ||
	die "MINUTES=$minutes: not a number"
case ${BOOT:-1} in
0|1) ;;
*) die "BOOT=$BOOT: 0 or 1" ;;
esac
# There is no other way to a file system with all its owners and devices.
[ "${BOOT:-1}" = 0 ] || [ "$(id -u)" -eq 0 ] ||
	die "only root can make the guest's disk; BOOT=0 makes packages only"
mkdir -p "$work" || die "cannot create $work"

# debian_config: Debian's own configuration; it is in a package
debian_config() {
	local d=$work/config

	rm -rf "$d" && mkdir -p "$d" && cd "$d" &&
	apt-get download linux-config-6.12 &&
	dpkg-deb -x linux-config-6.12_*.deb . &&
	xz -dc "usr/src/linux-config-6.12/config.amd64_none_$flavour.xz" \
		>"$work/$flavour.config.new" &&
	mv "$work/$flavour.config.new" "$work/$flavour.config"
}

if [ -z "${DOTCONFIG:-}" ]; then
	case $flavour in
	amd64 | cloud-amd64) ;;
	*) die "FLAVOUR=$flavour: amd64 or cloud-amd64" ;;
	esac
	command -v apt-get >/dev/null ||
		die "this is no Debian: say with DOTCONFIG= what to begin with"
	DOTCONFIG=$work/$flavour.config
	step "fetch Debian's configuration, $flavour" "$BUILD/log/deb-config.log" \
		debian_config
fi
[ -r "$DOTCONFIG" ] || die "DOTCONFIG=$DOTCONFIG: no such file"
if grep -qx CONFIG_PREEMPT_RT=y "$DOTCONFIG"; then
	die "DOTCONFIG=$DOTCONFIG: proxy execution does not go with PREEMPT_RT"
fi
if [ -n "${LSMOD:-}" ]; then
	[ -r "$LSMOD" ] || die "LSMOD=$LSMOD: no such file"
elif [ -n "${TRIM:-}" ]; then
	LSMOD=$work/lsmod
	lsmod >"$LSMOD" 2>/dev/null ||
		die "TRIM=1: this machine has no modules to tell; give LSMOD=file"
fi
for t in dpkg-buildpackage:dpkg-dev dh:debhelper; do
	need_tool "${t%:*}" "${t#*:}"
done
# All modules with their debugging symbols are 25 GiB.
case ${LSMOD:-$DOTCONFIG} in
*cloud* | "${LSMOD:-}") need_space "$work" 12000 ;;
*)	need_space "$work" 30000 ;;
esac
DOTCONFIG=$(realpath "$DOTCONFIG") LSMOD=$(realpath "${LSMOD:-/dev/null}")
[ "$LSMOD" != /dev/null ] || LSMOD=''
export DOTCONFIG LSMOD
"$DEV/guest/kernel.sh" build deb || exit 1
"$DEV/guest/kernel.sh" package deb || exit 1
release=$(cat "$O/include/config/kernel.release")
image=$(ls "$BUILD"/o/linux-image-"$release"_*.deb) ||
	die "no package of $release in $BUILD/o"
for p in "$BUILD"/o/linux-*"$release"_*.deb; do
	say "$p"
done
[ "${BOOT:-1}" = 1 ] || exit 0

# --- the guest ------------------------------------------------------------------

# The one who installs it there wants the initramfs made by Debian's own hooks, so
# that the package is all that comes from here.
make_disk() {
	local setup=$work/setup

	cat >"$setup" <<-'EOF'
	set -e
	cp "$IMAGE" "$1/tmp/kernel.deb"
	cp -r "$TESTS" "$1/opt/proxy_exec"
	chroot "$1" dpkg -i /tmp/kernel.deb
	rm "$1/tmp/kernel.deb"
	echo proxy-guest >"$1/etc/hostname"
	echo "127.0.0.1 localhost proxy-guest" >"$1/etc/hosts"
	echo "/dev/vda / ext4 errors=remount-ro 0 1" >"$1/etc/fstab"
	echo root:proxy | chroot "$1" chpasswd
	cp "$1/boot/vmlinuz-$RELEASE" "$1/boot/initrd.img-$RELEASE" "$WORK/"
	EOF
	rm -rf --one-file-system "$work/root" "$work/disk.img"
	env IMAGE="$image" TESTS="$O/kselftest_install" RELEASE="$release" \
		WORK="$work" \
		mmdebstrap --mode=root --variant=minbase --format=directory \
		--include=systemd-sysv,udev,dbus,kmod,initramfs-tools,zstd,procps \
		--include=util-linux,login,passwd,e2fsprogs,perl \
		--customize-hook="sh $setup \"\$1\"" bookworm "$work/root" &&
	truncate -s 4G "$work/disk.img" &&
	mke2fs -q -t ext4 -d "$work/root" "$work/disk.img" &&
	rm -rf --one-file-system "$work/root"
}

for t in mmdebstrap mke2fs:e2fsprogs qemu-system-x86_64:qemu-system-x86; do
	need_tool "${t%:*}" "${t#*:}"
done
step "make a disk with Debian's userland" "$BUILD/log/deb-disk.log" make_disk
dir=$(new_results deb) || die "cannot create a directory in $RESULTS"
# One thread for all CPUs: before 8.1 QEMU's threads translate code that another of
# them changes meanwhile, and keep what they have seen. Trace events that come and go
# have ended in an int3 that was not in memory any more.
"$DEV/deb/deb-boot.py" --out "$dir" --release "$release" --minutes "$minutes" -- \
	qemu-system-x86_64 -machine q35 -accel tcg,thread=single -cpu qemu64 \
	-smp 4 -m 2048 -nodefaults -display none -no-reboot -serial stdio \
	-drive "file=$work/disk.img,if=virtio,format=raw,snapshot=on" \
	-kernel "$work/vmlinuz-$release" -initrd "$work/initrd.img-$release" \
	-append "root=/dev/vda ro console=ttyS0,115200 tsc=reliable sched_proxy_exec=1 panic=-1"
rc=$?
say "$dir"
exit "$rc"
