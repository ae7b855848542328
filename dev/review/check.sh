#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What a reviewer would check first, done by machine.
#
#   dev/review/check.sh               everything but bisect
#   dev/review/check.sh --quick       what the test command takes: without nfc,
#                     objects and sparse; compile takes the last patch and those
#                     whose source is not in dev/review/compiled
#   dev/review/check.sh NAME...       only these:
#       series      patches/series and the files in patches/ agree; the parts
#                   in patches/parts cover it, each with its cover letter
#       overlay     the files of the stack in the repository are those in patches/
#       log         subjects, changelogs, no left-overs in added lines
#       commits     messages of the commits of this repository
#       scripts     shellcheck on the scripts in dev/
#       apply       git am on the base, no fuzz
#       roundtrip   tree and refresh reproduce patches/ and the overlay;
#                   MAINTAINERS is the section that the series adds
#       checkpatch  --strict; what stays needs a line in
#                   dev/review/excuses/checkpatch
#       compile     each patch, option on and off, W=1, no new warning; the
#                   last one also without SMP, and with all that meets it
#       nfc         a patch that says `No functional change' changes no
#                   instruction, option on and off, but in the functions of
#                   dev/review/excuses/nfc
#       objects     with the option off, no instruction differs from the base but
#                   in the functions of dev/review/excuses/objects; and sizes
#       sparse      nothing new against the base but what is in
#                   dev/review/excuses/sparse
#       kernel-doc  likewise
#       docs        likewise by sphinx (make htmldocs), and events, counters and
#                   debugfs files are all described
#       codespell   changelogs and added lines
#       bisect      each patch gives a kernel image, option on and off
#
# WRITE=1 with a complete compile puts the source of each patch into
# dev/review/compiled: it compiles, on and off, without a new warning.
#
# One line each, `ok NAME' or `not ok NAME: reason'. Logs are in build/log. A check
# without another problem also fails if an excuse of its list was not needed.

set -euo pipefail
# shellcheck source=dev/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=dev/series/tree-lib.sh
. "$(dirname "$0")/../series/tree-lib.sh"
# shellcheck source=dev/review/compile-lib.sh
. "$(dirname "$0")/compile-lib.sh"

QUICK='series overlay log commits scripts apply roundtrip checkpatch kernel-doc docs codespell
	compile'
ALL="$QUICK nfc objects sparse"
COMPILED=$DEV/review/compiled
CHK=$BUILD/check
SRC=$CHK/src			# a worktree of build/linux, moved from patch to patch
LOG=$BUILD/log
# kbuild must not see what our own make was told.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES LINUX

# problem WHAT: the check at work fails because of it
problem() {
	printf '%s\n' "$*" >>"$CHK/problems"
}

# Each line of a list as a problem, with a word in front.
problems() {
	sed "s|^|$1|" >>"$CHK/problems"
}

# excused LIST FINDINGS: sets EXCUSED to a file of them, each with one field more,
# the reason, which is empty if there is none
excused() {
	EXCUSED=$2.excused
	need_tool python3
	if ! "$DEV/review/excuses/excuses.py" match "$1" --unused "$CHK/unused" \
		<"$2" >"$EXCUSED" 2>"$CHK/excuses.log"; then
		problems '' <"$CHK/excuses.log"
		return 1
	fi
	# What went wrong before may be why an excuse was not needed.
	[ -s "$CHK/problems" ] || problems '' <"$CHK/unused"
}

# --- what needs no kernel ---------------------------------------------------

check_series() {
	local p n=0

	if [ ! -s "$CHK/series" ]; then
		compgen -G "$PATCHES/*.patch" >/dev/null &&
			problem "patches/series names none of the patches"
		return 0
	fi
	sort "$CHK/series" | uniq -d | problems "named twice: "
	while read -r p; do
		n=$((n + 1))
		[ -f "$PATCHES/$p" ] || problem "$p is named but not there"
		[ "${p%%-*}" = "$(printf %04d "$n")" ] ||
			problem "$p is number $n of the series"
	done <"$CHK/series"
	(cd "$PATCHES" && compgen -G '*.patch' | sort) |
		comm -23 - <(sort "$CHK/series") | problems 'not in the series: '
	[ -s "$CHK/problems" ] || check_parts
}

check_parts() {
	local n

	parts >"$CHK/parts" 2>>"$CHK/problems" || :
	while read -r n _; do
		cover "$n" >"$CHK/cover" 2>>"$CHK/problems" || :
	done <"$CHK/parts"
	(cd "$PATCHES" && { compgen -G 'part-*-cover.txt' || :; } | sort) |
		comm -23 - <(sed 's/^\([0-9]*\) .*/part-\1-cover.txt/' "$CHK/parts" |
			sort) | problems 'cover letter of no part: '
}

# The files under kernel-named directories, as the user would commit them.
overlay_files() {
	local d dirs=()

	for d in "${KERNEL_DIRS[@]}"; do
		[ ! -e "$TOP/$d" ] || dirs+=("$d")
	done
	[ "${#dirs[@]}" -gt 0 ] || return 0
	cd "$TOP"
	if [ "$(git rev-parse --show-toplevel 2>/dev/null)" = "$(pwd -P)" ]; then
		git -c core.quotePath=false ls-files -co --exclude-standard \
			-- "${dirs[@]}" | while read -r d; do
			[ ! -e "$d" ] || echo "$d"
		done
	else
		find "${dirs[@]}" ! -type d
	fi | sort -u
}

# same_files DIR LIST: the files of LIST are in DIR and in the repository
same_files() {
	local f

	while read -r f; do
		if [ ! -e "$TOP/$f" ]; then
			problem "$f is missing; 'make refresh' writes it"
		elif ! cmp -s "$1/$f" "$TOP/$f"; then
			problem "$f is not what patches/ says; 'make refresh'" \
				"writes it"
		elif [ "$([ -x "$1/$f" ]; echo $?)" != \
		       "$([ -x "$TOP/$f" ]; echo $?)" ]; then
			problem "$f has the wrong x bit"
		fi
	done <"$2"
}

# Replay the hunks of the new files, and only these, in an empty repository.
check_overlay() {
	local p f w=$CHK/overlay include=()

	rm -rf "$w"
	kgit init -q "$w"
	added "${patches[@]}" >"$CHK/added"
	while read -r f; do
		include+=("--include=${f//[/\\[}")
	done <"$CHK/added"
	if [ "${#include[@]}" -gt 0 ]; then
		for p in "${patches[@]}"; do
			kgit -C "$w" apply --allow-empty "${include[@]}" "$p" \
				2>"$LOG/overlay.log" ||
				problem "${p##*/}: $(head -n 1 "$LOG/overlay.log")"
		done
	fi
	same_files "$w" "$CHK/added"
	overlay_files | comm -13 "$CHK/added" - | problems 'not in the stack: '
	rm -rf "$w"
}

check_log() {
	need_tool python3
	"$DEV/review/check-log.py" "${patches[@]}" | problems ''
}

# The rule holds for the commits after the one that brought it.
check_commits() {
	local first

	need_tool python3
	[ -e "$TOP/.git" ] || return 0		# a copy without its history
	if ! first=$(cd "$TOP" && git log -S'check_commits()' --format=%H \
		-- dev/review/check.sh | tail -n 1); then
		problem "git log fails in $TOP"
	elif [ -n "$first" ]; then
		(cd "$TOP" && "$DEV/review/check-log.py" --commits \
			"$first..HEAD") | problems ''
	fi
}

# linted LIST OPTION...: on the files of that list, from where the paths in their
# directives begin
linted() {
	(cd "$TOP" && xargs -d '\n' -r -a "$1" -n 8 -P "$(job_count)" \
		shellcheck -x -S warning -f gcc "${@:2}") >"$LOG/scripts.log" 2>&1 ||
		{ [ -s "$LOG/scripts.log" ] || echo "shellcheck fails"
		  cat "$LOG/scripts.log"; } | problems ''
}

# What passed once is known by its content.
check_scripts() {
	local key

	need_tool shellcheck
	find "$TOP/dev" -type f 2>/dev/null | sort >"$CHK/dev" || :
	: >"$CHK/libraries"
	xargs -d '\n' -r -a "$CHK/dev" awk -v d="$CHK" '
		FNR == 1 && /^#!\/bin\/(ba)?sh/ { print FILENAME; nextfile }
		/^# shellcheck shell=/ { print FILENAME >(d "/libraries"); nextfile }
		FNR > 12 { nextfile }' >"$CHK/scripts"
	if ! [ -s "$CHK/scripts" ]; then
		problem "no scripts in $TOP/dev"
		return 0
	fi
	key=$({ shellcheck --version; xargs -d '\n' -a "$CHK/dev" cat; } | sha256sum)
	[ ! -e "$CHK/scripts-${key:0:16}.ok" ] || return 0
	linted "$CHK/scripts"
	# What these set is for those that source them.
	linted "$CHK/libraries" -e SC2034,SC2154
	[ -s "$CHK/problems" ] || touch "$CHK/scripts-${key:0:16}.ok"
}

check_codespell() {
	local p

	need_tool codespell
	for p in "${patches[@]}"; do
		# The changelog, then what is added.
		sed -n -e '/^---$/q' -e 's/^/ /p' "$p" >"$CHK/words"
		sed -n '/^+++ /!s/^+//p' "$p" >>"$CHK/words"
		codespell - <"$CHK/words" 2>/dev/null |
			grep -- '==>' | sed -E 's/^([0-9]+:)?[[:space:]]*//' |
			problems "${p##*/}: " || :
	done
}

# --- what needs the base ----------------------------------------------------

check_apply() {
	need_tip || problem "$tip_failure"
}

check_roundtrip() {
	local f

	need_tip || { problem "$tip_failure"; return 0; }
	export_stack "$base_commit" "$TIP" "$CHK/export"
	for f in "$CHK"/export/patches/*; do
		if [ ! -s "$f" ] && [ ! -e "$PATCHES/series" ]; then
			continue	# no patches, no series
		fi
		cmp -s "$f" "$PATCHES/${f##*/}" ||
			problem "patches/${f##*/} comes out of 'make tree'" \
				"and 'make refresh' differently"
	done
	(cd "$CHK/export/overlay" && find . ! -type d -printf '%P\n' | sort) \
		>"$CHK/new"
	same_files "$CHK/export/overlay" "$CHK/new"
	rm -rf "$CHK/export"
	if [ -f "$TOP/MAINTAINERS" ] &&
	   ! maintainers "$base_commit" "$TIP" | cmp -s - "$TOP/MAINTAINERS"
	then
		problem "MAINTAINERS is not the section that patches/ adds to" \
			"the kernel's"
	fi
}

# maintainers FROM TO: the lines that the series adds to MAINTAINERS
maintainers() {
	kgit -C "$TREE" diff -U0 "$1" "$2" -- MAINTAINERS |
		sed -n -e '/^+++ /d' -e 's/^+\(..*\)/\1/p'
}

check_checkpatch() {
	local p rc line reason kept=0

	need_tip || { problem "$tip_failure"; return 0; }
	move "$TIP"
	: >"$LOG/checkpatch.log"
	: >"$CHK/findings"
	for p in "${patches[@]}"; do
		rc=0
		(cd "$SRC" && perl scripts/checkpatch.pl --strict --no-signoff \
			--terse --showfile --show-types "$p") \
			>"$CHK/checkpatch" 2>>"$LOG/checkpatch.log" || rc=$?
		cat "$CHK/checkpatch" >>"$LOG/checkpatch.log"
		# 0, or 1 and how many; without a word it has died
		[ "$rc" = 0 ] || { [ "$rc" = 1 ] &&
			grep -q '^total: ' "$CHK/checkpatch"; } ||
			problem "${p##*/}: checkpatch.pl fails (log: $LOG/checkpatch.log)"
		grep ': ERROR:' "$CHK/checkpatch" | problems "${p##*/}: " || :
		sed -nE "s|^([^:]*):.*: (CHECK\|WARNING):([A-Z_]*):.*|\3\t\1\t${p##*/}: &|p" \
			"$CHK/checkpatch" >>"$CHK/findings"
	done
	if excused checkpatch "$CHK/findings"; then
		while IFS=$'\t' read -r _ _ line reason; do
			if [ -n "$reason" ]; then
				kept=$((kept + 1))
			else
				problem "$line"
			fi
		done <"$EXCUSED"
	fi
	# All that FILE_PATH_CHANGES asks for
	while read -r p; do
		(cd "$SRC" && scripts/get_maintainer.pl --norolestats --nogit \
			--nogit-fallback -f "$p") 2>>"$LOG/checkpatch.log" |
			grep -F "$ROLE_EMAIL" >/dev/null ||
			problem "MAINTAINERS has no pattern for $p"
	done < <(added "${patches[@]}")
	say "   $(grep -c ": ERROR:" "$CHK/problems") errors," \
		"$(grep -cE ': (WARNING|CHECK):' "$CHK/problems") warnings," \
		"$kept kept with a reason"
}

check_kernel_doc() {
	local f

	need_tip || { problem "$tip_failure"; return 0; }
	touched "${patches[@]}" | grep -E '\.[ch]$' |
		grep -v '^tools/' >"$CHK/files" || :
	for c in "$base_commit" "$TIP"; do
		move "$c"
		while read -r f; do
			[ -e "$SRC/$f" ] || continue
			(cd "$SRC" && scripts/kernel-doc -none "$f" 2>&1) || :
		done <"$CHK/files" | warnings >"$CHK/kernel-doc.$c"
	done
	comm -13 "$CHK/kernel-doc.$base_commit" "$CHK/kernel-doc.$TIP" |
		problems ''
}

# Of the books that the series has pages in.
check_docs() {
	local c dirs log f

	need_tip || { problem "$tip_failure"; return 0; }
	need_tool sphinx-build python3-sphinx
	dirs=$(touched "${patches[@]}" |
		sed -n 's|^Documentation/\([^/]*\)/.*\.rst$|\1|p' | sort -u |
		paste -sd' ')
	[ -n "$dirs" ] || return 0
	for c in "$base_commit" "$TIP"; do
		move "$c"
		log=$LOG/docs-$([ "$c" = "$TIP" ] && echo tip || echo base).log
		rm -rf "$CHK/o-docs"
		make -C "$SRC" O="$CHK/o-docs" htmldocs SPHINXDIRS="$dirs" \
			>"$log" 2>&1 ||
			{ problem "make htmldocs fails (log: $log)"; return 0; }
		warnings "$log" >"$CHK/docs.$c"
	done
	comm -13 "$CHK/docs.$base_commit" "$CHK/docs.$TIP" | problems ''
	f=$SRC/Documentation/scheduler/sched-proxy-exec.rst
	user_names | while read -r c; do
		grep -qF "\`\`$c\`\`" "$f" || problem "${f##*/} has no word on $c"
	done
}

# What the series shows to users under a name: events, debugfs files, counters
user_names() {
	sed -nE 's/^(DEFINE|TRACE)_EVENT\((.*, )?(sched_proxy_[a-z_]+),$/\3/p' \
		"$SRC/include/trace/events/sched_proxy.h"
	sed -nE -e 's/.*debugfs_create_file\("([a-z_]+)".*/\1/p' \
		-e 's/^\t\[PROXY_[A-Z_]+\]\t+= "([a-z_]+)",$/\1/p' \
		"$SRC"/kernel/sched/proxy*.c
}

# --- compiling ---------------------------------------------------------------

kmake() {
	local cc=gcc

	! command -v ccache >/dev/null || cc='ccache gcc'
	make -C "$SRC" O="$CHK/o-$1" CC="$cc" HOSTCC="$cc" \
		"-j$(job_count)" KBUILD_BUILD_TIMESTAMP=0 "${@:2}"
}

# configured on|off|...: what the configuration in place was made of; what the
# commit says about configurations, and the fragments
configured() {
	{
		kgit -C "$SRC" ls-tree -r HEAD | grep -E '[/[:blank:]](Kconfig|Makefile)[^/]*$'
		cat "$DEV"/guest/config/*.fragment "$DEV"/review/{check,compile-lib}.sh
		echo "$1 $(gcc --version | head -n 1)"
	} | sha256sum
}

# configure on|off|up|min|full|all-on|all-off: as the guest's lean kernel, so far as this
# commit can, or that with the option on, or off, and what nobody boots here. Called
# where errexit does not hold.
configure() {
	local o=$CHK/o-$1 want=$1 more=()

	case $1 in
	up|min|full)
		want=on more=("$DEV/guest/config/$1.fragment") ;;
	all-on | all-off)
		# lockdep has line numbers in the code.
		grep -vE '^CONFIG_(PROVE_LOCKING|.*KUNIT.*)=' \
			"$DEV/guest/config/full.fragment" >"$CHK/all.fragment"
		want=${1#all-} more=("$CHK/all.fragment") ;;
	esac
	mkdir -p "$o" && rm -f "$o/check.configured" &&
	kmake "$1" tinyconfig &&
	(cd "$o" && "$SRC/scripts/kconfig/merge_config.sh" -m -O "$o" \
		"$o/.config" "$DEV/guest/config/lean.fragment" \
		"$DEV/guest/config/proxy-$want.fragment" "${more[@]}") &&
	kmake "$1" olddefconfig || return 1
	# Half a configuration would compile half of the code.
	if ! grep -qx CONFIG_HOTPLUG_CPU=y "$o/.config" && [ "$1" != up ]; then
		echo "error: the lean configuration did not take"
		return 1
	fi
	if [ -n "${more[*]}" ] &&
	   { grep '^CONFIG' "${more[@]}" | possible | grep -vxFf "$o/.config" ||
	     sed -n 's/^# \(CONFIG_.*\) is not set$/\1=y/p' "${more[@]}" |
	     grep -xFf - "$o/.config"; }; then
		echo "error: the configuration $1 did not take"
		return 1
	fi
	if [ "$want" = on ] && has_option HEAD &&
	   ! grep -qx CONFIG_SCHED_PROXY_EXEC=y "$o/.config"; then
		echo "error: CONFIG_SCHED_PROXY_EXEC cannot be enabled"
		return 1
	fi
	configured "$1" >"$o/check.configured"
}

# possible: of configuration lines, those that this commit can have, as wanted
possible() {
	if [ "$want" = on ] && has_option HEAD; then
		cat
	else
		grep -v '^CONFIG_SCHED_PROXY_EXEC'
	fi
}

# compile COMMIT on|off LOG: sets SECS, and here to what was made; returns 1 when
# it does not compile
compile() {
	local start=$SECONDS

	move "$1" || return 1
	local conf=$CHK/o-$2/check.configured
	if [ "$(cat "$conf" 2>/dev/null)" = "$(configured "$2")" ]; then
		: >"$3"
	elif ! configure "$2" >"$3" 2>&1; then
		SECS=$((SECONDS - start))
		return 1
	fi
	mapfile -t here < <(xargs -n 1 <<<"$targets" | present)
	if ! kmake "$2" W=1 "${here[@]}" >>"$3" 2>&1; then
		SECS=$((SECONDS - start))
		return 1
	fi
	SECS=$((SECONDS - start))
}

# The warnings of the base are kept: they change with base, compiler,
# configuration, targets and this script only.
base_key() {
	{
		echo "$base_commit $targets"
		gcc --version
		cat "$DEV"/review/{check,compile-lib}.sh \
			"$DEV"/guest/config/{lean,proxy-on,proxy-off}.fragment
	} | sha256sum | cut -c 1-16
}

base_warnings() {
	local log=$LOG/check-base.log at

	BASE_WARNINGS=$CHK/base-$(base_key).warnings
	[ ! -e "$BASE_WARNINGS" ] || return 0
	at=$(kgit -C "$SRC" rev-parse HEAD)
	say "   the base itself, for comparison ..."
	# From nothing, so that every file is compiled and every warning seen.
	rm -rf "$CHK/o-off"
	compile "$base_commit" off "$log" ||
		die "the base does not compile (log: $log)"
	warnings "$log" >"$BASE_WARNINGS.tmp"
	mv "$BASE_WARNINGS.tmp" "$BASE_WARNINGS"
	say "   the base itself, $SECS s (log: $log)"
	move "$at"
}

# source_key COMMIT: the source that a compilation sees, changelogs apart
source_key() {
	kgit -C "$TREE" rev-parse "$1":{arch,include,init,kernel,lib,rust} |
		sha256sum | cut -c 1-32
}

# is_compiled COMMIT: dev/review/compiled has its source
is_compiled() {
	grep -qs "^$(source_key "$1") " "$COMPILED"
}

# record_compiled: dev/review/compiled anew
record_compiled() {
	local c n=0

	{
		sed '/^#/!d' "$COMPILED"
		while read -r c; do
			n=$((n + 1))
			echo "$(source_key "$c") $(sed -n "${n}p" "$CHK/series")"
		done <"$CHK/commits"
	} >"$COMPILED.tmp"
	mv "$COMPILED.tmp" "$COMPILED"
}

# compiled PATCH: it changes what is part of a kernel
compiled() {
	touched "$1" | grep -qvE '^(tools|Documentation)/|^MAINTAINERS$'
}

check_compile() {
	local c n=0 o name log new result known=0

	need_tip || { problem "$tip_failure"; return 0; }
	targets=$(targets | paste -sd' ')
	# By way of the base, so that each file is compiled again at the patch
	# that changes it: what is up to date shows no warnings.
	move "$base_commit"
	while read -r c; do
		name=$(sed -n "$((n + 1))p" "$CHK/series")
		n=$((n + 1))
		result=
		if ! compiled "$PATCHES/$name"; then
			say "   $n/${#patches[@]} ${name:0:48} nothing to compile"
			[ "$c" = "$TIP" ] || continue
		elif [ -n "$quick" ] && is_compiled "$c" && [ "$c" != "$TIP" ]; then
			known=$((known + 1))
			continue
		fi
		move "$c"
		for o in off on; do
			if [ "$o" = on ] && ! has_option "$c"; then
				result="$result, on: no option yet"
				continue
			fi
			log=$LOG/check-${name%%-*}-$o.log
			if ! compile "$c" "$o" "$log"; then
				problem "$name does not compile with the option" \
					"$o: $(grep -m1 -E 'error:|\*\*\*' "$log" ||
						tail -n 1 "$log") (log: $log)"
				result="$result, $o: FAILS"
				continue
			fi
			new=$(warnings "$log")
			if [ -n "$new" ]; then
				base_warnings
				new=$(comm -23 - "$BASE_WARNINGS" <<<"$new")
			fi
			if [ -n "$new" ]; then
				sed "s|$| (log: $log)|" <<<"$new" |
					problems "$name, option $o: "
				result="$result, $o: NEW WARNINGS"
			else
				result="$result, $o: $SECS s"
			fi
		done
		say "   $n/${#patches[@]} ${name:0:48} ${result#, }"
	done <"$CHK/commits"
	if [ -n "$quick" ]; then
		say "   $known patches are as they were when they last compiled"
		return
	fi
	compile_odd up
	compile_odd min
	compile_odd full
	[ -z "${WRITE:-}" ] || [ -s "$CHK/problems" ] || record_compiled
}

# compile_odd CONFIGURATION: the last patch in it, against the base
compile_odd() {
	local c log secs=0

	for c in "$base_commit" "$TIP"; do
		log=$LOG/check-$1-$([ "$c" = "$TIP" ] && echo tip || echo base).log
		rm -rf "$CHK/o-$1"
		if ! compile "$c" "$1" "$log"; then
			problem "does not compile in configuration $1:" \
				"$(grep -m1 -E 'error:|\*\*\*' "$log") (log: $log)"
			return 0
		fi
		secs=$((secs + SECS))
		warnings "$log" >"$CHK/odd.$c"
	done
	comm -13 "$CHK/odd.$base_commit" "$CHK/odd.$TIP" |
		problems "configuration $1: "
	say "   configuration $1, base and last patch: $secs s"
}

# --- without the option -------------------------------------------------------

# The objects of the targets that are part of the kernel, of o-$1
built_in() {
	local t

	for t in $targets; do
		case $t in
		*/)	ar t "$CHK/o-$1/${t}built-in.a" |
				sed "s|^\(.*/\)\{0,1\}\($t\)|\2|" |
				while read -r t; do
					[ -e "$CHK/o-$1/$t" ] && echo "$t"
				done ;;
		*)	echo "$t" ;;
		esac
	done | sort -u
}

# keep_objects NAME CONFIGURATION: those of what was compiled last, and what pahole and
# size say
keep_objects() {
	local d=$CHK/objects/$1 o=$CHK/o-$2

	rm -rf "$d"
	mkdir -p "$d"
	built_in "$2" >"$d.list"
	(cd "$o" && xargs -a "$d.list" cp -t "$d" --parents) &&
	(cd "$o" && xargs -a "$d.list" ld -r -o "$d.o")
}

# struct_sizes NAME on|off: compiles one of them again, for its types
struct_sizes() {
	kmake "$2" KCFLAGS=-g kernel/sched/core.o >>"$LOG/objects.log" 2>&1 &&
	pahole --sizes "$CHK/o-$2/kernel/sched/core.o" 2>>"$LOG/objects.log" |
		awk '$1 ~ /^(task_struct|rq|mutex|rw_semaphore)$/ { print $1, $2 }' |
		sort -u >"$CHK/objects/$1.structs" &&
	[ -s "$CHK/objects/$1.structs" ]
}

# The word blocked_on moves all that comes behind it in task_struct: compare with
# a base that has such a word in the same place.
pad_base() {
	local h=$SRC/include/linux/sched.h

	sed -i -z 's|#ifdef CONFIG_DEBUG_MUTEXES\n\([^#]*\*blocked_on;\n\)#endif\n|\1|' "$h" &&
	! kgit -C "$SRC" diff --quiet
}

compile_objects() {
	compile "$base_commit" off "$LOG/objects-base.log" &&
	keep_objects base off && struct_sizes base off &&
	pad_base && kmake off "${here[@]}" >"$LOG/objects-pad.log" 2>&1 &&
	keep_objects pad off &&
	compile "$TIP" off "$LOG/objects-n.log" &&
	keep_objects n off && struct_sizes n off &&
	compile "$TIP" on "$LOG/objects-on.log" &&
	keep_objects on on && struct_sizes on on
}

# objects_table: what differs and why, and what is larger, as text
objects_table() {
	local d=$CHK/objects s

	echo "Functions that differ from the base with the option off, offsets in"
	echo "task_struct apart (x86-64, -O2, lean SMP configuration):"
	sort -t "$(printf '\t')" -k2,2 -k1,1 "$d/reasons" | awk -F '\t' '
		$2 != last { printf "%s  %s:", (last ? "\n" : ""), $2; last = $2 }
		{ printf " %s", $1 }
		END { print "" }' | fold -s -w 78
	echo
	printf '%-24s %10s %10s %10s\n' bytes base n on
	for s in task_struct rq mutex rw_semaphore; do
		printf '%-24s %10s %10s %10s\n' "$s" \
			"$(awk -v s=$s '$1 == s { print $2 }' "$d/base.structs")" \
			"$(awk -v s=$s '$1 == s { print $2 }' "$d/n.structs")" \
			"$(awk -v s=$s '$1 == s { print $2 }' "$d/on.structs")"
	done
	printf '%-24s %10d %+10d %+10d\n' 'code (bloat-o-meter)' \
		"$(sed -n 's/^Total: Before=\([0-9]*\),.*/\1/p' "$d/bloat.n")" \
		"$(bloat n)" "$(bloat on)"
}

# bloat NAME: bytes that its functions have more than the base
bloat() {
	sed -n 's/^Total: Before=\([0-9]*\), After=\([0-9]*\),.*/\2 \1/p' \
		"$CHK/objects/bloat.$1" | awk '{ print $1 - $2 }'
}

# --- no functional change -----------------------------------------------------

# kept COMMIT CONFIGURATION: the objects of it; made if they are not there
kept() {
	local d=nfc-$2-${1:0:12}

	[ ! -e "$CHK/objects/$d.o" ] || return 0
	compile "$1" "$2" "$LOG/nfc-$2.log" && keep_objects "$d" "$2"
}

# What says that it changes nothing is compiled before and after, in a
# configuration with all that the scheduler has.
check_nfc() {
	local c o f prev=$base_commit n=0 name d=$CHK/objects differ said=0 reason

	need_tip || { problem "$tip_failure"; return 0; }
	need_tool objdump binutils
	targets=kernel/sched/
	mkdir -p "$d"
	rm -rf "$d"/nfc-*
	: >"$CHK/findings"
	while read -r c; do
		n=$((n + 1))
		name=$(sed -n "${n}p" "$CHK/series")
		if ! sed '/^---$/q' "$PATCHES/$name" | tr '\n' ' ' |
				grep -i 'no functional change' >/dev/null; then
			prev=$c
			continue
		fi
		f=$(touched "$PATCHES/$name" | { grep -v '^kernel/sched/' || :; } |
			paste -sd' ')
		[ -z "$f" ] || problem "$name: not looked at: $f"
		differ=0 said=$((said + 1))
		for o in all-on all-off; do
			if ! kept "$prev" "$o" || ! kept "$c" "$o"; then
				problem "$name does not compile (log: $LOG/nfc-$o.log)"
				continue
			fi
			sort -u "$d/nfc-$o-${prev:0:12}.list" "$d/nfc-$o-${c:0:12}.list" |
				xargs "$DEV/review/objdiff.py" "$d/nfc-$o-${prev:0:12}" \
					"$d/nfc-$o-${c:0:12}" >"$CHK/nfc" ||
				problem "$name: dev/review/objdiff.py fails"
			while read -r _ f; do
				printf '%s\t%s\t%s\n' "$name" "${o#all-}" "$f" \
					>>"$CHK/findings"
				differ=$((differ + 1))
			done <"$CHK/nfc"
			rm -rf "$d/nfc-$o-${prev:0:12}"*
		done
		say "   ${name:0:52} $differ differences, each with a reason or below"
		prev=$c
	done <"$CHK/commits"
	rm -rf "$d"/nfc-*
	[ "$said" -gt 0 ] || problem "no patch says \`No functional change'"
	excused nfc "$CHK/findings" || return 0
	while IFS=$'\t' read -r name o f reason; do
		[ -n "$reason" ] || problem "$name, option $o: $f differs"
	done <"$EXCUSED"
}

check_objects() {
	local d=$CHK/objects name reason f

	need_tip || { problem "$tip_failure"; return 0; }
	need_tool pahole
	need_tool objdump binutils
	targets=$(targets | paste -sd' ')
	mkdir -p "$d"
	: >"$LOG/objects.log"
	if ! compile_objects; then
		problem "does not compile (logs: $LOG/objects*.log)"
		return 0
	fi
	for name in n on; do
		python3 "$SRC/scripts/bloat-o-meter" -t "$d/base.o" "$d/$name.o" \
			>"$d/bloat.$name" 2>>"$LOG/objects.log" ||
			problem "bloat-o-meter: $(tail -n 1 "$LOG/objects.log")"
	done
	sort -u "$d/pad.list" "$d/n.list" |
		xargs "$DEV/review/objdiff.py" "$d/pad" "$d/n" >"$d/differ"
	: >"$d/reasons"
	sed -E 's/^([^ ]*) (.*)/\2\t\1/' "$d/differ" >"$CHK/findings"
	excused objects "$CHK/findings" || return 0
	while IFS=$'\t' read -r f name reason; do
		if [ -n "$reason" ]; then
			printf '%s\t%s\n' "$f" "$reason" >>"$d/reasons"
		else
			problem "$name: $f differs with the option off"
		fi
	done <"$EXCUSED"
	objects_table >"$CHK/objects.txt"
	sed 's/^/   /' "$CHK/objects.txt"
}

run_sparse() {
	# shellcheck disable=SC2086
	configure on && kmake on C=2 CHECK=sparse $targets
}

check_sparse() {
	local c log kept

	need_tip || { problem "$tip_failure"; return 0; }
	need_tool sparse
	targets=$(targets | paste -sd' ')
	kept=$CHK/base-$(base_key).sparse
	for c in "$base_commit" "$TIP"; do
		if [ "$c" = "$base_commit" ] && [ -e "$kept" ]; then
			continue
		fi
		log=$LOG/sparse-$([ "$c" = "$TIP" ] && echo tip || echo base).log
		move "$c"
		run_sparse >"$log" 2>&1 ||
			{ problem "does not compile (log: $log)"; return 0; }
		warnings "$log" >"$CHK/sparse.$c"
		[ "$c" = "$TIP" ] || mv "$CHK/sparse.$c" "$kept"
	done
	more_often "$kept" "$CHK/sparse.$TIP" >"$CHK/findings"
	excused sparse "$CHK/findings" || return 0
	sed -n 's/\t$//p' "$EXCUSED" | sed "s|$| (log: $log)|" | problems ''
}

# A complete kernel of each patch.
check_bisect() {
	local c n=0 o name log start

	need_tip || { problem "$tip_failure"; return 0; }
	while read -r c; do
		name=$(sed -n "$((n + 1))p" "$CHK/series")
		n=$((n + 1))
		move "$c"
		for o in off on; do
			[ "$o" = off ] || has_option "$c" || continue
			log=$LOG/bisect-${name%%-*}-$o.log
			start=$SECONDS
			if configure "$o" >"$log" 2>&1 &&
			   kmake "$o" bzImage >>"$log" 2>&1; then
				say "   $n/${#patches[@]} $name, $o:" \
					"$((SECONDS - start)) s"
			else
				problem "$name, option $o: no kernel (log: $log)"
			fi
		done
	done <"$CHK/commits"
}

# --- running them -------------------------------------------------------------

run() {
	local func=check_${1//-/_} first start=$SECONDS

	: >"$CHK/problems"
	"$func"
	if [ -s "$CHK/problems" ]; then
		first=$(head -n 1 "$CHK/problems")
		say "not ok $1: $first"
		tail -n +2 "$CHK/problems" | sed 's/^/       /'
		failed=$((failed + 1))
	else
		say "ok $1 ($((SECONDS - start)) s)"
		passed=$((passed + 1))
	fi
}

need_tool git
quick=''
if [ "${1:-}" = --quick ]; then
	[ $# -eq 1 ] || usage
	# shellcheck disable=SC2086
	set -- $QUICK
	quick=1
fi
names=("$@")
# shellcheck disable=SC2206
[ $# -gt 0 ] || names=($ALL)
for name in "${names[@]}"; do
	declare -F "check_${name//-/_}" >/dev/null || usage
done
lock check
mkdir -p "$CHK" "$LOG"
series >"$CHK/series"
mapfile -t patches < <(series_paths)
targets='' passed=0 failed=0
for name in "${names[@]}"; do
	run "$name"
done
say "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
