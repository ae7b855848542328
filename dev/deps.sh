#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Install the Debian packages that are missing, and only these.
#
#   dev/deps.sh GROUP...   base build guest unit check model bench cover matrix deb send
#                          report fresh all
#   dev/deps.sh -n ...     only list them

set -euo pipefail
# shellcheck source=dev/lib.sh
. "$(dirname "$0")/lib.sh"

# package=what shows that it is there: a command, /a/file or :an installed
# package (where a file does not tell which package it is from).
base='git=git make=make patch=patch xz-utils=xz tar=tar gawk=awk util-linux=flock'
build='gcc=gcc libc6-dev=/usr/include/stdio.h flex=flex bison=bison bc=bc
	libelf-dev=/usr/include/gelf.h libssl-dev=/usr/include/openssl/ssl.h
	binutils=readelf
	ccache=ccache cpio=cpio kmod=depmod rsync=rsync perl=perl python3=python3'
guest='qemu-system-x86=qemu-system-x86_64 busybox-static=:busybox-static
	cpio=cpio python3=python3'
model='gcc=gcc spin=spin'
# dbench has tbench with it; linux-perf, a perf that fits any kernel
bench='rt-tests=hackbench linux-perf=perf
	dbench=tbench pahole=pahole bsdextrautils=column'
# gcov and gcov-tool
cover='gcc=gcov-tool'
check='sparse=sparse codespell=codespell pahole=pahole perl=perl python3=python3
	shellcheck=shellcheck python3-sphinx=sphinx-build'
send='git-email=/usr/lib/git-core/git-send-email
	libmailtools-perl=/usr/share/perl5/Mail/Address.pm'
# What the unit tests run of other groups, with fakes around it
unit='cpio=cpio busybox-static=:busybox-static python3=python3 perl=perl
	codespell=codespell shellcheck=shellcheck git-email=/usr/lib/git-core/git-send-email
	libmailtools-perl=/usr/share/perl5/Mail/Address.pm
	python3-pexpect=/usr/lib/python3/dist-packages/pexpect/__init__.py'
# Looks at the page of `make report'
report='python3=python3 chromium=chromium'
# A Debian to try the README on
fresh='mmdebstrap=mmdebstrap'
# The other compilers, one that BPF schedulers can be built with; the last two, for
# what boots on another machine
matrix='clang=clang clang-16=clang-16 zlib1g-dev=/usr/include/zlib.h
	gcc-aarch64-linux-gnu=aarch64-linux-gnu-gcc
	gcc-riscv64-linux-gnu=riscv64-linux-gnu-gcc sparse=sparse pahole=pahole
	libc6-dev-arm64-cross=/usr/aarch64-linux-gnu/include/stdio.h
	qemu-system-arm=qemu-system-aarch64'

# Packages of a kernel, and a Debian to boot them in
deb='dpkg-dev=dpkg-buildpackage debhelper=dh mmdebstrap=mmdebstrap zstd=zstd
	e2fsprogs=mke2fs pahole=pahole fakeroot=fakeroot
	python3-pexpect=/usr/lib/python3/dist-packages/pexpect/__init__.py'

has_dpkg() {
	command -v dpkg-query >/dev/null && command -v apt-get >/dev/null
}

present() {
	case $1 in
	/*)	[ -e "$1" ] ;;
	:*)	if has_dpkg; then
			dpkg-query -W -f '${db:Status-Status}\n' "${1#:}" \
				2>/dev/null | grep -qx installed
		else
			command -v "${1%-static}" >/dev/null 2>&1 ||
			command -v busybox >/dev/null
		fi ;;
	*)	PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null ;;
	esac
}

list_only=''
if [ "${1:-}" = -n ]; then
	list_only=1
	shift
fi
[ $# -gt 0 ] || usage

wanted=''
for group in "$@"; do
	case $group in
	base)	wanted="$wanted $base" ;;
	build)	wanted="$wanted $base $build" ;;
	guest)	wanted="$wanted $base $build $guest" ;;
	unit)	wanted="$wanted $base $build $unit" ;;
	check)	wanted="$wanted $base $build $check" ;;
	model)	wanted="$wanted $base $model" ;;
	bench)	wanted="$wanted $base $build $guest $bench" ;;
	cover)	wanted="$wanted $base $build $guest $cover" ;;
	deb)	wanted="$wanted $base $build $guest $deb" ;;
	send)	wanted="$wanted $base $send" ;;
	report)	wanted="$wanted $base $report" ;;
	fresh)	wanted="$wanted $base $fresh" ;;
	matrix)	wanted="$wanted $base $build $guest $matrix" ;;
	all)	wanted="$wanted $base $build $guest $unit $check $model $bench $cover \
			$matrix $deb $send $report $fresh" ;;
	*)	die "no group of packages is called $group" ;;
	esac
done

missing=()
for w in $wanted; do
	present "${w#*=}" || missing+=("${w%%=*}")
done
mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sed '/^$/d' | sort -u)

if [ -n "$list_only" ]; then
	[ "${#missing[@]}" -eq 0 ] || printf '%s\n' "${missing[@]}"
	exit
fi
[ "${#missing[@]}" -gt 0 ] || exit 0
has_dpkg || die "missing on this machine, which is not a Debian:" \
	"${missing[*]} (names of the Debian packages); install them"

apt='apt-get install -y --no-install-recommends'
if [ "$(id -u)" -eq 0 ]; then
	sudo=()
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
	sudo=(sudo -n)
else
	die "packages are missing; run: sudo $apt ${missing[*]}"
fi

export DEBIAN_FRONTEND=noninteractive
lock deps
if ! apt-get -s -qq install --no-install-recommends "${missing[@]}" \
	>/dev/null 2>&1 || [ -z "$(find /var/lib/apt/lists -maxdepth 1 \
		-name '*_Packages*' -mtime -7 2>/dev/null | head -n 1)" ]; then
	step "apt-get update" "$BUILD/log/apt.log" \
		"${sudo[@]}" apt-get -o DPkg::Lock::Timeout=120 update
fi
# shellcheck disable=SC2086
step "install ${missing[*]}" "$BUILD/log/apt.log" \
	"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
	$apt -o DPkg::Lock::Timeout=120 "${missing[@]}"
hash -r
for w in $wanted; do
	present "${w#*=}" ||
		die "${w%%=*} is installed and ${w#*=} still not there"
done
