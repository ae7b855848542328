#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Fetch, verify and import the kernel source that the series stands on.
#
#   dev/series/base.sh            as the environment says:
#                         BASE=pin      what base/pin names (the default)
#                         BASE=newest   the newest the archive has
#                         BASE_DEB=file a .deb or tarball got elsewhere
#   dev/series/base.sh repin      write the base in use to base/pin
#   dev/series/base.sh versions   what the archive has
#   dev/series/base.sh import V   import that version, print its commit (for dev/series/drift.sh)
#
# The base becomes one commit in build/linux, the same on each machine.
# build/base-candidate then says which; dev/series/tree.sh moves the branch.

set -euo pipefail
# shellcheck source=dev/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=dev/series/tree-lib.sh
. "$(dirname "$0")/tree-lib.sh"

DL=$BUILD/dl
PIN=$TOP/base/pin
USR_SRC=${USR_SRC:-/usr/src}
# Any fixed date will do; it is part of the commit's name.
IMPORT_DATE='2026-01-01T00:00:00Z'

read_pin() {
	[ -r "$PIN" ] || die "base/pin is missing; it says which kernel to use"
	package='' version='' deb='' deb_sha256='' tar='' tar_sha256='' commit=''
	# shellcheck source=/dev/null
	. "$PIN"
	[ -n "$version" ] && [ -n "$tar_sha256" ] && [ -n "$deb_sha256" ] ||
		die "base/pin lacks version, deb_sha256 or tar_sha256"
}

# The package lists may be missing or old, and only root may renew those of
# the system: keep our own under build/.
APT=()
apt_update() {
	local d=$BUILD/apt

	[ "${#APT[@]}" -eq 0 ] || return 0
	mkdir -p "$d/lists/partial" "$d/cache/archives/partial"
	APT=(-o "Dir::State::Lists=$d/lists" -o "Dir::Cache=$d/cache"
	     -o APT::Sandbox::User=)
	step "read the archive's package lists" "$BUILD/log/apt-update.log" \
		apt-get "${APT[@]}" update
}

versions() {
	apt-cache "${APT[@]}" madison "$package" 2>/dev/null |
		awk -F ' *[|] *' '$2 ~ /^6\.12\./ { print $2 }' | sort -Vu
}

# download VERSION: the .deb into build/dl, its name in DEB
download() {
	local v=$1 tmp=$DL/partial

	need_tool apt-get apt
	need_tool apt-cache apt
	need_space "$DL" 400
	for _ in 1 2; do
		rm -rf "$tmp"
		mkdir -p "$tmp"
		if versions | grep -qxF "$v" && (
			step "download $package $v" "$BUILD/log/download.log" \
				apt_download "$tmp" "$v"); then
			break
		fi
		[ "${#APT[@]}" -eq 0 ] || break
		apt_update
	done
	DEB=$(find "$tmp" -name '*.deb' | head -n 1)
	if [ -z "$DEB" ]; then
		rm -rf "$tmp"
		die "$package $v is not to be had from the archive (it has:" \
		    "$(versions | paste -sd' ' | sed 's/^$/none/'));" \
		    "'make tree BASE=newest' uses the newest it has," \
		    "BASE_DEB=file one got elsewhere"
	fi
}

apt_download() {
	cd "$1"
	apt-get "${APT[@]}" download "$package=$2"
}

# verify FILE SHA256: set FILE aside and die unless it has that hash
verify() {
	local got

	got=$(sha256 "$1")
	[ "$got" != "$2" ] || return 0
	mv "$1" "$1.bad"
	die "wrong sha256 of $1: expected $2, got $got; it is now" \
	    "${1##*/}.bad, run it again to fetch it anew"
}

# unpack_deb DEB: the tarball in it to build/dl, its name in TARBALL
unpack_deb() {
	need_tool dpkg-deb dpkg
	need_space "$DL" 200
	TARBALL=$DL/$package-$version.tar.xz
	dpkg-deb --fsys-tarfile "$1" |
		tar -xO "./usr/src/$tar" >"$TARBALL.tmp" ||
		die "$1 holds no usr/src/$tar"
	mv "$TARBALL.tmp" "$TARBALL"
}

# has_hash FILE SHA256
has_hash() {
	[ -f "$1" ] && [ -r "$1" ] && [ "$(sha256 "$1")" = "$2" ]
}

# The pinned tarball from wherever it is, verified, its name in TARBALL.
fetch_pinned() {
	local f

	if [ -n "${BASE_DEB:-}" ]; then
		[ -f "$BASE_DEB" ] && [ -r "$BASE_DEB" ] ||
			die "BASE_DEB=$BASE_DEB: no such file"
		if has_hash "$BASE_DEB" "$deb_sha256"; then
			unpack_deb "$BASE_DEB"
			verify "$TARBALL" "$tar_sha256"
		elif has_hash "$BASE_DEB" "$tar_sha256"; then
			TARBALL=$BASE_DEB
		else
			die "BASE_DEB=$BASE_DEB: sha256 expected $deb_sha256" \
			    "(or $tar_sha256 for the tarball), got" \
			    "$(sha256 "$BASE_DEB")"
		fi
		return
	fi
	for f in "$USR_SRC/$tar" "$DL"/*.tar.xz; do
		if has_hash "$f" "$tar_sha256"; then
			TARBALL=$f
			return
		fi
	done
	# Someone may have put the package there; a broken one is not for us
	# to overlook.
	if [ -r "$DL/$deb" ]; then
		verify "$DL/$deb" "$deb_sha256"
		unpack_deb "$DL/$deb"
	else
		download "$version"
		mv "$DEB" "$DL/$deb"
		rm -rf "$DL/partial"
		verify "$DL/$deb" "$deb_sha256"
		unpack_deb "$DL/$deb"
		rm "$DL/$deb"	# the tarball is all of it
	fi
	verify "$TARBALL" "$tar_sha256"
}

# The newest there is. What vouches for it is the archive's signature, which
# apt checks; there is no hash of ours.
find_newest() {
	need_tool apt-get apt
	need_tool apt-cache apt
	apt_update
	version=$(versions | tail -n 1)
	[ -n "$version" ] || die "the archive offers no $package"
}

fetch_newest() {
	TARBALL=$DL/$package-$version.tar.xz
	[ ! -r "$TARBALL" ] || return 0
	download "$version"
	unpack_deb "$DEB"
	rm -rf "$DL/partial"
}

# Import $version, whose hash nobody pinned.
import_newest() {
	COMMIT=$(ref "$(base_ref "$version")")
	if [ -n "$COMMIT" ]; then
		tar_sha256=$(kgit -C "$TREE" log -1 --format=%B "$COMMIT" |
			sed -n 's/^Tarball sha256: //p')
		return
	fi
	fetch_newest
	tar_sha256=$(sha256 "$TARBALL")
	import
}

# Debian's .gitignore ends in lines that hide every file; without them it is
# the one of the kernel.
strip_gitignore() {
	[ -f "$1" ] || return 0
	awk '{ line[NR] = $0 }
	END {
		n = NR
		if (n > 2 && line[n] == "!/debian/" && line[n - 1] == "/*") {
			n -= 2
			while (n > 0 && line[n] ~ /^(#.*)?$/)
				n--
		}
		for (i = 1; i <= n; i++)
			print line[i]
	}' "$1" >"$1.tmp"
	cmp -s "$1.tmp" "$1" || cat "$1.tmp" >"$1"
	rm "$1.tmp"
}

unpack() {
	tar -I 'xz -T0' -x --strip-components=1 --no-same-owner \
		--no-same-permissions -C "$2" -f "$1"
	[ -f "$2/Makefile" ] || { echo "no kernel in $1"; return 1; }
	strip_gitignore "$2/.gitignore"
}

# import_tree GITDIR WORKTREE: one commit of it, its name in COMMIT
import_tree() {
	local tree tmp=$BUILD/import.index

	rm -f "$tmp"
	GIT_INDEX_FILE=$tmp kgit --git-dir="$1" --work-tree="$2" \
		-c core.compression=1 add -A -f .
	tree=$(GIT_INDEX_FILE=$tmp kgit --git-dir="$1" write-tree)
	COMMIT=$(printf '%s %s\n\nTarball sha256: %s\n' "$package" "$version" \
			"$tar_sha256" |
		GIT_AUTHOR_NAME=$ROLE_NAME GIT_AUTHOR_EMAIL=$ROLE_EMAIL \
		GIT_AUTHOR_DATE=$IMPORT_DATE GIT_COMMITTER_DATE=$IMPORT_DATE \
		kgit --git-dir="$1" -c i18n.commitEncoding=UTF-8 \
			commit-tree "$tree")
	echo "$COMMIT" >"$BUILD/import.commit"
}

import() {
	local new=$BUILD/linux.tmp

	need_tool xz xz-utils
	need_space "$BUILD" 2500
	rm -rf "$new"
	mkdir -p "$new"
	at_exit "rm -rf '$new' '$BUILD/import.index' '$BUILD/import.commit'"
	step "unpack $package $version" "$BUILD/log/unpack.log" \
		unpack "$TARBALL" "$new"
	if [ -d "$TREE/.git" ]; then
		step "import it" "$BUILD/log/import.log" \
			import_tree "$TREE/.git" "$new"
		COMMIT=$(cat "$BUILD/import.commit")
		check_commit
	else
		import_first "$new"
	fi
	kgit -C "$TREE" update-ref "$(base_ref "$version")" "$COMMIT"
}

# The first import is the worktree as well: complete it under a temporary
# name, then rename.
import_first() {
	kgit init -q --initial-branch="$BRANCH" "$1"
	kgit -C "$1" config user.name "$ROLE_NAME"
	kgit -C "$1" config user.email "$ROLE_EMAIL"
	kgit -C "$1" config commit.gpgSign false
	kgit -C "$1" config core.autocrlf false
	step "import it" "$BUILD/log/import.log" import_tree "$1/.git" "$1"
	COMMIT=$(cat "$BUILD/import.commit")
	check_commit
	mv "$BUILD/import.index" "$1/.git/index"
	for r in "refs/heads/$BRANCH" refs/proxy/base refs/proxy/exported \
		"$(base_ref "$version")"; do
		kgit -C "$1" update-ref "$r" "$COMMIT"
	done
	[ ! -e "$TREE" ] || die "$TREE is in the way: it is not a git tree" \
		"made by 'make tree'; move it elsewhere"
	mv "$1" "$TREE"
}

# The pin may say which commit it has to come to.
check_commit() {
	[ "$MODE" = newest ] || [ -z "$commit" ] || [ "$commit" = "$COMMIT" ] ||
		die "the import of $package $version gave commit $COMMIT," \
		    "base/pin says $commit: please report this"
}

repin() {
	local line mode=''

	lock tree
	[ -r "$BUILD/linux-base" ] || die "no base in use; run 'make tree'"
	read_pin
	# shellcheck source=/dev/null
	. "$BUILD/linux-base"
	[ "$mode" = newest ] || die "the base in use is the pinned one already"
	deb=${package}_${version}_all.deb
	deb_sha256=$(apt-cache show "$package=$version" |
		awk '$1 == "SHA256:" { print $2; exit }')
	[ -n "$deb_sha256" ] || die "the archive no longer knows $version"
	{
		head -n 1 "$PIN"
		for line in package version deb deb_sha256 tar \
			tar_sha256 commit; do
			echo "$line=${!line}"
		done
	} >"$PIN.tmp"
	mv "$PIN.tmp" "$PIN"
	sed -i 's/^mode=.*/mode=pin/' "$BUILD/linux-base"
	say "base/pin now names $package $version"
}

case ${1:-} in
'' | import) ;;
repin)	repin; exit ;;
versions)
	read_pin
	need_tool apt-cache apt
	apt_update >&2
	versions
	exit ;;
*)	usage ;;
esac

lock tree
need_tool git
mkdir -p "$DL" "$BUILD/log"
read_pin

if [ "${1:-}" = import ]; then
	MODE=newest
	[ "$2" != "$version" ] || MODE=pin
	version=$2
	import_newest >&2
	echo "$COMMIT"
	exit
fi

# Without a word on it, stay with what is in use.
MODE=${BASE:-}
if [ -z "$MODE" ]; then
	MODE=pin
	if [ -d "$TREE/.git" ] && grep -qx mode=newest "$BUILD/linux-base" \
		2>/dev/null; then
		MODE=current
	fi
fi

COMMIT=''
pinned=$version
if [ "$MODE" = newest ]; then
	find_newest
	[ "$version" != "$pinned" ] || MODE=pin
fi
case $MODE in
pin)
	COMMIT=$(ref "$(base_ref "$version")")
	# A pin that keeps the version but not the hash is another base.
	if [ -n "$COMMIT" ] && ! kgit -C "$TREE" log -1 --format=%B "$COMMIT" |
		grep -qF "$tar_sha256"; then
		COMMIT=''
	fi
	if [ -z "$COMMIT" ]; then
		fetch_pinned
		import
	fi
	check_commit ;;
newest)
	import_newest ;;
current)
	cp "$BUILD/linux-base" "$BUILD/base-candidate"
	exit ;;
*)
	die "BASE=$MODE: say BASE=pin or BASE=newest" ;;
esac

cat >"$BUILD/base-candidate" <<END
mode=$MODE
version=$version
pinned=$pinned
tar_sha256=$tar_sha256
commit=$COMMIT
END
