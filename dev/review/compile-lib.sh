# SPDX-License-Identifier: GPL-2.0
# Base and series as commits, and what they say when they are compiled: for
# check.sh and matrix.sh. Sourced after lib.sh and tree-lib.sh. CHK is a
# directory of the caller's, SRC, a worktree in it, LOG, where logs go; patches[],
# the series.
# shellcheck shell=bash disable=SC2154

# The series as commits: base_commit and TIP. Once, for whoever needs it.
base_commit='' tip_failure=''
need_tip() {
	local commit='' mode='' version=''

	[ -z "$base_commit" ] || return 0
	[ -z "$tip_failure" ] || return 1
	lock tree
	"$DEV/series/base.sh"
	# shellcheck source=/dev/null
	. "$BUILD/base-candidate"
	rm -f "$BUILD/base-candidate"
	[ "$mode" = pin ] ||
		say "base: $version, NOT the pinned one"
	if ! materialise "$commit" "$CHK/am.tmp"; then
		tip_failure=$FAILURE
		unlock tree
		return 1
	fi
	base_commit=$commit
	# Keep git from ever collecting it while we work.
	kgit -C "$TREE" update-ref "refs/proxy/${CHK##*/}" "$TIP"
	kgit -C "$TREE" rev-list --reverse "$base_commit..$TIP" >"$CHK/commits"
	# The rest takes minutes and uses commits and a directory of its own.
	unlock tree
}

# present: of the make targets read, directories and objects, those that $SRC has
# as it is
present() {
	local t

	while read -r t; do
		case $t in
		*/)	[ ! -d "$SRC/$t" ] || echo "$t" ;;
		*)	[ ! -e "$SRC/${t%.o}.c" ] || echo "$t" ;;
		esac
	done
}

# move COMMIT: the files of $SRC to that commit, touching only what differs
move() {
	if [ ! -e "$SRC/.git" ] || ! kgit -C "$SRC" rev-parse -q HEAD \
		>/dev/null 2>&1; then
		need_space "$CHK" 4000
		rm -rf "$SRC" "$CHK"/o-*
		kgit -C "$TREE" worktree prune
		step "a copy of the source for checks" "$LOG/check-src.log" \
			kgit -C "$TREE" worktree add -f --detach "$SRC" "$1"
	fi
	rm -f "$(kgit -C "$SRC" rev-parse --absolute-git-dir)/index.lock"
	kgit -C "$SRC" checkout -q -f --detach "$1"
}

# The warnings of a log without what changes when lines move, sorted. One that
# is there twice stays twice: the second may be the new one.
warnings() {
	grep -iE '(warning|error|severe):' "$@" | sed -E \
		-e "s|$SRC/||g" -e 's|\.\./src/||g' \
		-e 's/:[0-9]+(:[0-9]+)?:/:/g' -e 's/0x[0-9a-f]+/0x/g' |
		sort || :
}

# more_often BASE TIP: the warnings of the second list that are not in the first, one
# in a header as often as it is included
more_often() {
	comm -13 "$1" "$2" | uniq -c |
		sed -E -e 's/^ *([0-9]+) (.*)/\2 (\1 times)/' \
			-e 's/ \(1 times\)$//'
}

# new_warnings BASE TIP: those without an excuse; a list that cannot be read is one
new_warnings() {
	more_often "$1" "$2" |
		{ "$DEV/review/excuses/excuses.py" match sparse 2>&1 || :; } |
		sed -nE -e 's/\t$//p;t' -e '/\t/!p'
}

has_option() {
	kgit -C "$SRC" grep -q '^config SCHED_PROXY_EXEC$' "$1" -- init
}

# What to compile: the directories of the C files the series touches, and
# those that see struct rq and task_struct most.
targets() {
	local d

	echo kernel/sched/ kernel/locking/ kernel/fork.o kernel/rcu/update.o init/
	touched "${patches[@]}" | grep '\.c$' |
		grep -vE '^(tools|samples|Documentation|scripts)/' |
		while read -r f; do
		d=${f%/*}
		case $d in
		kernel/sched | kernel/locking | init) ;;
		*/*)	echo "$d/" ;;
		*)	echo "${f%.c}.o" ;;
		esac
	done | sort -u
}
