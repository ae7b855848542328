#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A Debian package of another architecture, unpacked and not installed.
#
#   dev/series/foreign.sh ARCHITECTURE PACKAGE
#
# Prints the directory. What this machine knows of packages is not touched: apt
# gets a state of its own.

set -euo pipefail
# shellcheck source=dev/lib.sh
. "$(dirname "$0")/../lib.sh"

[ $# -eq 2 ] || usage
arch=$1 package=$2
dir=$BUILD/dl/foreign/$arch/$package

apt() {
	apt-get -o "APT::Architecture=$arch" -o "APT::Architectures=$arch" \
		-o "Dir::State=$tmp/state" -o "Dir::State::status=/dev/null" \
		-o "Dir::Cache=$tmp/cache" -o APT::Sandbox::User=root "$@"
}

fetch() {
	mkdir -p "$tmp"/{state/lists/partial,cache/archives/partial,deb} &&
	apt update && cd "$tmp/deb" && apt download "$package" &&
	dpkg-deb -x "$tmp/deb/${package}_"*.deb "$tmp/root"
}

if [ ! -d "$dir" ]; then
	need_tool apt-get apt
	mkdir -p "${dir%/*}"
	tmp=$(mktemp -d "$BUILD/dl/foreign/tmp.XXXXXX")
	at_exit 'rm -rf "$tmp"'
	step "get $package for $arch" "$BUILD/log/foreign.log" fetch >&2
	mv -T "$tmp/root" "$dir" 2>/dev/null || [ -d "$dir" ]
fi
echo "$dir"
