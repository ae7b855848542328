#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Configure and build a kernel and its selftests, out of tree.
#
#   dev/guest/kernel.sh list             the configurations there are
#   dev/guest/kernel.sh config NAME      write build/o/NAME/.config and verify it
#   dev/guest/kernel.sh build NAME       kernel, modules and selftests
#   dev/guest/kernel.sh image NAME       the kernel alone, where the rest was built
#   dev/guest/kernel.sh package NAME     Debian packages of what was built, beside build/o
#   dev/guest/kernel.sh path NAME        print build/o/NAME
#
# The environment may set KSRC (source tree, default build/linux), BUILD,
# JOBS, V=1, FORCE=1 (run make even if nothing changed) and VANILLA=1 (accept
# a source tree without CONFIG_SCHED_PROXY_EXEC; for work on this tooling).
# A configuration with the base `user' begins with the file DOTCONFIG=, less the
# modules that are not in the output of lsmod in the file LSMOD=, if there is one.

set -u
# shellcheck source=dev/guest/guest-lib.sh
. "$(dirname "$0")/guest-lib.sh"

# The words of a configuration: base target and fragments.
config_words() {
	sed -n "s/^$1[[:space:]]*=[[:space:]]*//p" "$DEV/guest/config/configs"
}

config_names() {
	sed -n 's/^\([a-z0-9-]*\)[[:space:]]*=.*/\1/p' "$DEV/guest/config/configs"
}

has_feature() {
	grep -rqs '^config SCHED_PROXY_EXEC$' "$KSRC/init"
}

# The fragments of $NAME, one path a line.
fragments() {
	local f words

	read -ra words <<<"$WORDS"
	for f in "${words[@]:1}"; do
		case $f in
		proxy-*)
			has_feature || continue ;;
		esac
		echo "$DEV/guest/config/$f.fragment"
	done
}

# What has counters if the kernel is for coverage: the objects of the files that the
# series adds to or changes. make takes each for every object of that name.
cover_words=()
set_cover_words() {
	local o

	[[ " $WORDS " == *" cover "* ]] || return 0
	for o in build_policy build_utility core fair mutex mutex-debug rwsem fork; do
		cover_words+=("GCOV_PROFILE_$o.o=y")
	done
}

# What the fragments ask for
requested() {
	fragments | xargs -d '\n' cat | config_requests
}

kmake() {
	make -C "$KSRC" O="$O" CC="$CC" HOSTCC="$HOSTCC" \
		"${cross_words[@]}" "${cover_words[@]}" "-j$(job_count)" \
		KBUILD_BUILD_TIMESTAMP='Thu Jan  1 00:00:00 UTC 2026' \
		KBUILD_BUILD_USER=proxy KBUILD_BUILD_HOST=exec \
		KBUILD_BUILD_VERSION=1 LOCALVERSION= "$@"
}

do_config() {
	local base=${WORDS%% *} frags miss

	mapfile -t frags < <(fragments)
	mkdir -p "$O"
	requested >"$O/requested.new"
	if [ -f "$O/.config" ] && cmp -s "$O/requested.new" "$O/requested" &&
	   [ -z "$(config_misses "$O/requested" "$O/.config")" ] && [ "${FORCE:-0}" != 1 ] &&
	   cmp -s <(kconfig_id) "$O/kconfig.id"; then
		rm -f "$O/requested.new"
		return
	fi
	mv "$O/requested.new" "$O/requested"
	step "configure $NAME" "$O/config.log" make_config "$base" "${frags[@]}"
	miss=$(config_misses "$O/requested" "$O/.config" | paste -sd' ' | sed 's/) /), /g')
	if [ -n "$miss" ]; then
		die "configuration $NAME: not as the fragments ask: $miss"
	fi
	kconfig_id >"$O/kconfig.id"
}

# Changes when the configuration has to be made anew.
kconfig_id() {
	echo "$KSRC"
	source_id
	[ "${WORDS%% *}" != user ] || sha256sum "$DOTCONFIG" ${LSMOD:+"$LSMOD"}
}

# What the configuration begins with
make_base() {
	if [ "$1" != user ]; then
		kmake "$1"
		return
	fi
	# The certificates of the one who has built that are not here.
	sed 's/^\(CONFIG_SYSTEM_[A-Z]*_KEYS\)=".*/\1=""/' "$DOTCONFIG" \
		>"$O/.config" && kmake olddefconfig || return 1
	[ -z "${LSMOD:-}" ] || kmake LSMOD="$LSMOD" localmodconfig
}

make_config() {
	local base=$1

	shift
	rm -f "$O/.config" &&
	make_base "$base" &&
	# merge_config.sh works in the current directory
	( cd "$O" && "$KSRC/scripts/kconfig/merge_config.sh" -m -O "$O" \
		"$O/.config" "$@" ) &&
	kmake olddefconfig
}

# What the source is, or nothing when it has uncommitted changes (or no
# history): then make has to look.
source_id() {
	[ -e "$KSRC/.git" ] || return 0
	[ -z "$(git -C "$KSRC" status --porcelain 2>/dev/null | head -1)" ] ||
		return 0
	git -C "$KSRC" rev-parse HEAD
}

# Changes whenever a build could give another result.
build_id() {
	local src

	src=$(source_id)
	[ -n "$src" ] || return 1
	echo "$src"
	echo "$KSRC"
	cat "$O/requested" "$O/kconfig.id" "$DEV/guest/kernel.sh"
	$CC --version | head -1
}

# The selftests are built in a copy of the few files they need, laid out as
# in the source tree: the test module's objects belong to one configuration
# and must not end up in the source.
build_selftests() {
	local st=$O/st from=$KSRC/tools/testing/selftests

	# Programs do not depend on their flags: all anew, they are few.
	rm -rf "$O/kselftest_install" "$O/kselftest"
	[ -f "$from/proxy_exec/Makefile" ] || return 0
	kmake headers || return 1
	mkdir -p "$st/tools/testing/selftests" || return 1
	ln -sfn "$KSRC/scripts" "$st/scripts"
	ln -sfn "$KSRC/include" "$st/include"
	ln -sfn "$KSRC/tools/include" "$st/tools/include"
	rsync -a --delete --include='/proxy_exec/***' --include='/kselftest/***' \
		--include='/*.h' --include='/*.mk' --include='/*.sh' \
		--include=/Makefile --exclude='*' \
		--filter='P *.o' --filter='P *.ko' --filter='P *.mod*' \
		--filter='P .*.cmd' "$from/" "$st/tools/testing/selftests/" ||
		return 1
	# The modules first, with the kernel's jobs and compiler.
	if [ -f "$from/proxy_exec/test_modules/Makefile" ]; then
		make -C "$st/tools/testing/selftests/proxy_exec/test_modules" \
			KDIR="$O" CC="$CC" "${cross_words[@]}" || return 1
	fi
	make -C "$st/tools/testing/selftests" TARGETS=proxy_exec O="$O" \
		KDIR="$O" FORCE_TARGETS=1 USERLDFLAGS=-static \
		"${cross_words[@]}" \
		KSFT_INSTALL_PATH="$O/kselftest_install" install
}

do_build() {
	local id

	exec 9>"$O.lock"
	if ! flock -n 9; then
		say "waiting for another build of $NAME"
		flock 9
	fi
	do_config
	id=$(build_id | sha256sum)
	if [ "${FORCE:-0}" != 1 ] && build_id >/dev/null &&
	   [ "$(cat "$O/build.id" 2>/dev/null)" = "$id" ] &&
	   [ -f "$O/$IMAGE" ]; then
		say "kernel $NAME is up to date"
		return
	fi
	rm -f "$O/build.id"
	need_space "$O" 1500
	step_progress "files" '^  (CC|LD|AS|AR|HOSTCC) ' \
		"build kernel $NAME" "$O/build.log" kmake ${V:+V=$V} \
		"${IMAGE##*/}" modules
	step "build selftests for $NAME" "$O/selftests.log" build_selftests
	# One that is never up to date, but known to be complete
	build_id >/dev/null || id=changed
	echo "$id" >"$O/build.id"
	{
		echo "source $(git -C "$KSRC" rev-parse HEAD 2>/dev/null)"
		echo "build $id"
	} >"$O/source.id"
}

[ $# -ge 1 ] || usage
cmd=$1
NAME=${2:-}
VANILLA=${VANILLA:-0}

case $cmd in
list)
	config_names
	exit ;;
config|build|image|package|path)
	[ -n "$NAME" ] || usage ;;
*)
	usage ;;
esac

WORDS=$(config_words "$NAME")
[ -n "$WORDS" ] || die "no kernel configuration named $NAME; there are:" \
	"$(config_names | paste -sd' ')"
O=$BUILD/o/$NAME

if [ "$cmd" = path ]; then
	echo "$O"
	exit
fi

if [ "${WORDS%% *}" = user ]; then
	[ -r "${DOTCONFIG:-}" ] ||
		die "$NAME: DOTCONFIG=${DOTCONFIG:-} is no configuration to begin with"
	[ -z "${LSMOD:-}" ] || [ -r "$LSMOD" ] || die "LSMOD=$LSMOD: cannot be read"
fi
guest_arch "$NAME"
need_tool gcc
need_tool "${CROSS}gcc"
need_tool make
need_tool flock
need_tool rsync
[ -f "$KSRC/kernel/sched/core.c" ] ||
	die "no kernel source in $KSRC: run 'make tree' first"
if ! has_feature && [ "$VANILLA" != 1 ]; then
	die "$KSRC has no CONFIG_SCHED_PROXY_EXEC: not a tree with the series" \
	    "applied (VANILLA=1 builds it all the same)"
fi
CC=${CROSS}gcc HOSTCC=gcc
# Not on the machine the kernel is for: what make takes it for there must not
# change.
cross_words=()
[ -z "$CROSS" ] || cross_words=("ARCH=$GUEST_ARCH" "CROSS_COMPILE=$CROSS")
if command -v ccache >/dev/null; then
	# The same file in another copy of the project is the same.
	CC="ccache $CC" HOSTCC="ccache gcc"
	export CCACHE_BASEDIR=${BUILD%/*} CCACHE_NOHASHDIR=1
fi

set_cover_words
mkdir -p "$BUILD/o" || exit 1
mkdir -p "$O" || die "cannot create $O"
case $cmd in
config)
	do_config
	say "$O/.config" ;;
build)
	do_build ;;
image)
	exec 9>"$O.lock"
	flock 9
	rm -f "$O/build.id"
	step_progress "files" '^  (CC|LD|AS|AR|HOSTCC) ' \
		"build kernel $NAME" "$O/image.log" kmake ${V:+V=$V} \
		"${IMAGE##*/}"
	echo image >"$O/build.id" ;;
package)
	[ -f "$O/build.id" ] || die "kernel $NAME is not built"
	exec 9>"$O.lock"
	flock 9
	rm -f "$BUILD"/o/linux-*"$(cat "$O/include/config/kernel.release")"*.deb
	# The version says that it is not the distribution's; no debugging package,
	# which is as large as all of the rest.
	step "package $NAME" "$O/package.log" env \
		DEB_BUILD_PROFILES=pkg.linux-upstream.nokerneldbg \
		make -C "$KSRC" O="$O" CC="$CC" HOSTCC="$HOSTCC" "-j$(job_count)" \
		LOCALVERSION= KDEB_COMPRESS=zstd bindeb-pkg ;;
esac
