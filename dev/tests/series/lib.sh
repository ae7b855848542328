# SPDX-License-Identifier: GPL-2.0
# What the tests of the series tooling share: a repository in a temporary
# directory with a base of a handful of files, an archive that offers it, and
# the scripts of dev/ at work on them.
# shellcheck shell=bash

export DEV=${DEV_UNDER_TEST:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
W=$(mktemp -d)
trap 'rm -rf "$W"' EXIT

# What the user may have set must not matter, and is set to trouble here.
export HOME=$W/home
mkdir -p "$HOME/hooks"
printf '#!/bin/sh\necho hook ran >&2\nexit 1\n' >"$HOME/hooks/pre-commit"
for h in applypatch-msg pre-applypatch post-checkout reference-transaction; do
	cp "$HOME/hooks/pre-commit" "$HOME/hooks/$h"
done
chmod +x "$HOME"/hooks/*
cat >"$HOME/.gitconfig" <<'END'
[core]
	autocrlf = true
	hooksPath = ~/hooks
	quotePath = true
[commit]
	gpgSign = true
[diff]
	algorithm = patience
	renames = copies
	noprefix = true
	mnemonicPrefix = true
[format]
	signOff = true
	numbered = true
	coverLetter = true
[am]
	threeWay = true
[user]
	name = Some Body
	email = some@body.example
END
unset BASE BASE_DEB FORCE BUILD TOP LINUX V GIT_DIR EMAIL LOCKED_tree LOCKED_check \
	MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES

numbered() {
	local n

	for n in $(seq "$1"); do
		echo "$2 line $n"
	done
}

# make_base VERSION [LINES]: a tarball and a .deb, as the archive has them
make_base() {
	local v=$1 d=$W/base/$1/linux-source-6.12 deb=$W/base/$1/deb

	mkdir -p "$d"/{kernel/sched,init,include/linux,scripts} "$deb"/{DEBIAN,usr/src}
	printf 'VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = %s\nEXTRAVERSION =\n' \
		"$(cut -d. -f3 <<<"${v%%-*}")" >"$d/Makefile"
	numbered "${2:-60}" core >"$d/kernel/sched/core.c"
	numbered 40 fair >"$d/kernel/sched/fair.c"
	numbered 30 fork >"$d/kernel/fork.c"
	echo 'config FOO' >"$d/init/Kconfig"
	printf 'OTHERS\nF:	*\n' >"$d/MAINTAINERS"
	echo 'mainmenu "x"' >"$d/Kconfig"
	printf '#!/bin/sh\n' >"$d/scripts/tool"
	chmod 755 "$d/scripts/tool"
	ln -s ../Makefile "$d/include/link"
	printf '*.o\n/vmlinux\n\n#\n# Debian packaging: ignore\n#\n/*\n!/debian/\n' \
		>"$d/.gitignore"
	# A file that is ignored and belongs to the source all the same.
	echo object >"$d/kernel/shipped.o"
	[ -z "${3:-}" ] || (cd "$d" && eval "$3")
	find "$d" -exec touch -h -d '2026-01-01' {} +
	tar -C "$W/base/$v" --sort=name --owner=0 --group=0 -cJf \
		"$deb/usr/src/linux-source-6.12.tar.xz" linux-source-6.12
	printf 'Package: linux-source-6.12\nVersion: %s\nArchitecture: all\nMaintainer: x <x@x>\nDescription: x\n' \
		"$v" >"$deb/DEBIAN/control"
	dpkg-deb --root-owner-group -Znone -b "$deb" \
		"$W/base/$v.deb" >/dev/null
	cp "$deb/usr/src/linux-source-6.12.tar.xz" "$W/base/$v.tar.xz"
}

sha() {
	sha256sum <"$1" | cut -d ' ' -f 1
}

OLD=6.12.117-1~deb12u1
NEW=6.12.119-1~deb12u1

# archive VERSION...: what apt-get and apt-cache find from now on
archive() {
	local v

	mkdir -p "$T/bin" "$T/archive"
	rm -f "$T"/archive/*
	for v; do
		cp "$W/base/$v.deb" "$T/archive/$v.deb"
	done
	cat >"$T/bin/apt-cache" <<-END
	#!/bin/bash
	case "\$*" in
	*madison*)
		for f in "$T"/archive/*.deb; do
			[ -e "\$f" ] || continue
			f=\${f##*/}
			echo "linux-source-6.12 | \${f%.deb} | http://archive"
		done ;;
	esac
	END
	cat >"$T/bin/apt-get" <<-END
	#!/bin/bash
	echo "\$*" >>"$T/apt-calls"
	case "\$*" in
	*download*)
		v=\${!#}
		cp "$T/archive/\${v#*=}.deb" \
			"linux-source-6.12_\${v#*=}_all.deb" ;;
	esac
	END
	chmod +x "$T"/bin/*
}

# fixture: a new repository in $T/top with two patches, an archive with the
# pinned base, nothing built yet
fixture() {
	T=$W/$1
	R=$T/top
	L=$R/build/linux
	mkdir -p "$R/base" "$R/patches" "$T"
	PATH=$T/bin:$PATH
	cat >"$R/base/pin" <<-END
	package=linux-source-6.12
	version=$OLD
	deb=linux-source-6.12_${OLD}_all.deb
	deb_sha256=$(sha "$W/base/$OLD.deb")
	tar=linux-source-6.12.tar.xz
	tar_sha256=$(sha "$W/base/$OLD.tar.xz")
	commit=
	END
	archive "$OLD"
	cp "$W"/stack/patches/* "$R/patches/"
	(cd "$W/stack/overlay" && cp -a . "$R/")
	echo build/ >"$R/.gitignore"
	rgit init -q
	rgit add -A
	rgit commit -q -m start
	export TOP=$R BUILD=$R/build USR_SRC=$T/usr-src
}

# make_tree: the build/ that `make tree' leaves in a fixture, for have_tree
make_tree() {
	(
		trap - EXIT
		set -e
		fixture make-tree
		"$DEV/series/tree.sh" >"$W/make-tree.log" 2>&1
		mv "$R/build" "$W/tree"
	) || { cat "$W/make-tree.log"; exit 1; }
	rm -rf "$W/make-tree"
}

# have_tree: as after `make tree', for tests of what comes later
have_tree() {
	cp -a "$W/tree" "$R/build"
	# The key of what is checked out has the paths of the patches in it.
	bash -c '. "$DEV/lib.sh"; . "$DEV/series/tree-lib.sh"
		echo "$(series_key "$(ref refs/proxy/base)")" "$(ref HEAD)" \
			>"$TREE/.git/proxy-key"'
}

rgit() {
	GIT_CONFIG_GLOBAL=/dev/null git -C "$R" -c user.name=x \
		-c user.email=x@x -c core.autocrlf=false "$@"
}

# lgit: work in build/linux, with nobody's hooks
lgit() {
	GIT_CONFIG_GLOBAL=/dev/null git -C "$L" "$@"
}

# The stack of two patches that the fixtures start with: the first edits and
# adds, the second edits.
make_stack() {
	local s=$W/make-stack

	cp -a "$W/base/$OLD/linux-source-6.12" "$s"
	printf '*.o\n/vmlinux\n' >"$s/.gitignore"
	(
		export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
		export GIT_AUTHOR_NAME='Proxy Execution Developers'
		export GIT_AUTHOR_EMAIL=proxy-exec@example.org
		export GIT_AUTHOR_DATE='2026-02-03T04:05:06+0100'
		export GIT_COMMITTER_NAME=x GIT_COMMITTER_EMAIL=x@x
		cd "$s"
		git init -q
		git add -A -f
		git commit -q -m base
		sed -i 's/core line 10$/core line ten/' kernel/sched/core.c
		mkdir -p include/linux/sched
		numbered 5 proxy >kernel/sched/proxy.c
		echo '#!/bin/sh' >scripts/new-tool
		chmod +x scripts/new-tool
		git add -A
		git commit -q -m 'sched/proxy: Add the walk

The walk follows the links of a chain.'
		sed -i 's/core line 50$/core line fifty/' kernel/sched/core.c
		sed -i 's/fair line 20$/fair line twenty/' kernel/sched/fair.c
		echo more >>kernel/sched/proxy.c
		git commit -q -a -m 'sched/fair: Bill the donor

The donor pays for what runs on its behalf.'
		mkdir -p "$W/stack/patches" "$W/stack/overlay/kernel/sched" \
			"$W/stack/overlay/scripts"
		git format-patch -q --zero-commit --no-signature --full-index \
			-N --no-renames --diff-algorithm=myers \
			-o "$W/stack/patches" HEAD~2
		cp kernel/sched/proxy.c "$W/stack/overlay/kernel/sched/"
		cp scripts/new-tool "$W/stack/overlay/scripts/"
	)
	cat >"$W/stack/patches/series" <<-'END'
	# A series for tests.

	# The walk
	0001-sched-proxy-Add-the-walk.patch
	# Who pays
	0002-sched-fair-Bill-the-donor.patch
	END
	cat >"$W/stack/patches/parts" <<-'END'
	# Two parts
	The walk	| sched/proxy: Add the walk
	The bill	| sched/fair: Bill the donor
	END
	echo 'What the walk is for.' >"$W/stack/patches/part-1-cover.txt"
	echo 'Who pays.' >"$W/stack/patches/part-2-cover.txt"
}

# --- saying what is expected -------------------------------------------------

# run COMMAND...: its output in $T/out, its status in rc
run() {
	rc=0
	"$@" >"$T/out" 2>&1 </dev/null || rc=$?
}

bad() {
	echo "     $*"
	if [ -s "$T/out" ]; then
		tail -n 12 "$T/out" | sed 's/^/     | /'
	fi
	exit 1
}

succeeds() {
	run "$@"
	[ "$rc" -eq 0 ] || bad "exit status $rc from: $*"
}

# fails WORDS COMMAND...: exit status not 0, one line of complaint with WORDS
fails() {
	local words=$1

	shift
	run "$@"
	[ "$rc" -ne 0 ] || bad "exit status 0 from: $*"
	[ "$rc" -lt 126 ] || bad "exit status $rc from: $*"
	grep -qF -- "$words" "$T/out" || bad "does not say \"$words\": $*"
}

says() {
	grep -qF -- "$1" "$T/out" || bad "does not say \"$1\""
}

says_not() {
	! grep -qF -- "$1" "$T/out" || bad "says \"$1\""
}

equal() {
	[ "$1" = "$2" ] || bad "$3: expected \"$1\", got \"$2\""
}

clean_repository() {
	equal '' "$(rgit status --porcelain)" "git status"
}

# run_tests: every function t_*, each in a subshell with a fixture of its own,
# as many at a time as there are CPUs. ONLY= names some.
run_tests() {
	local t passed=0 failed=0 tests

	make_base "$OLD"
	make_base "$NEW" 60 "sed -i '1i newer' kernel/sched/core.c"
	make_stack
	! grep -q have_tree "$0" || make_tree
	tests=${ONLY:-$(declare -F | sed -n 's/^declare -f \(t_.*\)/\1/p')}
	for t in $tests; do
		while [ "$(jobs -pr | wc -l)" -ge "$(nproc)" ]; do
			wait -n || :
		done
		one_test "$t" >"$W/$t.result" 2>&1 &
	done
	wait
	for t in $tests; do
		cat "$W/$t.result"
		if [ "$(tail -n 1 "$W/$t.result")" = "ok $t" ]; then
			passed=$((passed + 1))
		else
			failed=$((failed + 1))
		fi
	done
	echo "$passed passed, $failed failed"
	[ "$failed" -eq 0 ]
}

one_test() {
	# Not `(...) || ...': errexit has to hold inside.
	( trap - EXIT; set -e; fixture "$1"; "$1" )
	if [ $? -eq 0 ]; then
		echo "ok $1"
	else
		echo "not ok $1"
	fi
	rm -rf "${W:?}/$1"
}
