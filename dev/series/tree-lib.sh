# SPDX-License-Identifier: GPL-2.0
# The series and its kernel tree, for dev/series/base.sh, tree, refresh, check, drift
# and apply. Sourced.
#
# Refs in build/linux:
#   refs/heads/proxy-exec   where the work happens: base plus one commit a patch
#   refs/proxy/base         the base commit under proxy-exec
#   refs/proxy/exported     the tip that patches/ was last known to equal
#   refs/proxy/bases/*      every base imported so far, by version
# shellcheck shell=bash

TREE=$BUILD/linux
PATCHES=$TOP/patches
BRANCH=proxy-exec
ROLE_NAME='Proxy Execution Developers'
ROLE_EMAIL=proxy-exec@example.org

# Directories of the repository that belong to the stack. What is in them has
# to be in patches/, byte for byte.
KERNEL_DIRS=(LICENSES Documentation arch block certs crypto drivers fs include
	init io_uring ipc kernel lib mm net rust samples scripts security
	sound tools usr virt)

# A hook of the user's, or make run from one, must not point git elsewhere.
# shellcheck disable=SC2046
unset $(git rev-parse --local-env-vars 2>/dev/null) || :
export LC_ALL=C

# kgit: git with nobody's configuration, so that the same input gives the
# same commits and patches on each machine.
kgit() {
	GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 \
	GIT_COMMITTER_NAME=$ROLE_NAME GIT_COMMITTER_EMAIL=$ROLE_EMAIL \
	git -c core.autocrlf=false -c core.safecrlf=false \
		-c core.hooksPath=/dev/null -c core.fsmonitor=false \
		-c core.attributesFile=/dev/null -c core.quotePath=false \
		-c core.fileMode=true -c core.symlinks=true \
		-c core.sparseCheckoutCone=false \
		-c commit.gpgSign=false -c gc.auto=0 -c maintenance.auto=false \
		-c am.threeWay=false -c apply.whitespace=nowarn \
		-c apply.ignoreWhitespace=no -c advice.detachedHead=false "$@"
}

# ref NAME: what it points at, or nothing
ref() {
	kgit -C "$TREE" rev-parse -q --verify "$1^{commit}" 2>/dev/null || :
}

# base_ref VERSION: the ref of that base
base_ref() {
	echo "refs/proxy/bases/${1//[^A-Za-z0-9.-]/_}"
}

# The patches in order, names only.
series() {
	if [ -f "$PATCHES/series" ]; then
		sed -e 's/#.*//' -e 's/[[:space:]]*$//' -e '/^$/d' \
			"$PATCHES/series"
	elif compgen -G "$PATCHES/[0-9]*.patch" >/dev/null; then
		die "patches/series is missing; it names the patches in order"
	fi
}

series_paths() {
	series | sed "s|^|$PATCHES/|"
}

# subjects PATCH...: one a line, without [PATCH]
subjects() {
	[ $# -gt 0 ] || return 0
	awk 'FNR == 1 { if (s != "") print s; s = ""; on = 0; done = 0 }
	     done { next }
	     /^Subject: / { on = 1; s = $0; next }
	     on && /^ / { s = s $0; next }
	     on { done = 1 }
	     END { print s }' "$@" | sed -E 's/^Subject: (\[PATCH[^]]*\] )?//'
}

# parts: for each part in patches/parts "NUMBER FIRST LAST TITLE", with FIRST
# and LAST counting patches from 1. What is wrong goes to stderr; returns 1.
PART_MAX=15
parts() {
	local p=()

	[ -f "$PATCHES/parts" ] || { echo "patches/parts is missing" >&2; return 1; }
	mapfile -t p < <(series_paths)
	subjects "${p[@]}" | awk -v max="$PART_MAX" '
	function bad(s) { print s >"/dev/stderr"; rc = 1 }
	FNR == NR { at[$0] = FNR; n = FNR; subject[n] = $0; next }
	/^[[:space:]]*(#|$)/ { next }
	{
		part++
		title = $0; sub(/[[:space:]]*[|].*/, "", title)
		end = $0; sub(/^[^|]*[|][[:space:]]*/, "", end)
		sub(/[[:space:]]+$/, "", end)
		if (!index($0, "|") || title == "") {
			bad("patches/parts: not \"title | subject\": " $0)
			next
		}
		if (!(end in at)) {
			bad("part " part " ends with a patch that is not in the series: " end)
			next
		}
		if (at[end] <= last) {
			bad("part " part " ends before it begins: " end)
			next
		}
		if (at[end] - last > max)
			bad("part " part " has " at[end] - last " patches, at most " max)
		print part, last + 1, at[end], title
		last = at[end]
	}
	END {
		if (last < n)
			bad("in no part: " subject[last + 1])
		exit rc
	}' - "$PATCHES/parts"
}

# cover NUMBER: the cover letter of that part. Two kinds of lines stand for what
# is written elsewhere, so that it is there once: "@letter TITLE", the section of
# the cover letter of the whole series, and "@readme NAME", the output of a
# command in README.md. What is not found goes to stderr; returns 1.
cover() {
	local f=$PATCHES/part-$1-cover.txt letter=$PATCHES/0000-cover-letter.txt

	[ -s "$f" ] || {
		echo "part $1 has no cover letter patches/${f##*/}" >&2
		return 1
	}
	awk -v letter="$letter" -v readme="$TOP/README.md" -v me="${f##*/}" '
	function missing() {
		print me ": there is no " substr($0, 2) >"/dev/stderr"
		rc = 1
	}
	# A section ends above the title of the next one.
	function section(title,    line, n, i, from, to) {
		while ((getline line[++n] <letter) > 0) {
			# It has a rule as long as itself, and nothing above it; other
			# rules are in tables.
			if (line[n] !~ /^---+$/ || (n > 2 && line[n - 2] != "") ||
			    length(line[n]) != length(line[n - 1]))
				continue
			if (from && !to) to = n - 2
			if (line[n - 1] == title) from = n - 1
		}
		close(letter)
		if (!from) { missing(); return }
		if (!to) to = n - 1
		while (line[to] == "") to--
		if (to <= from + 1) { missing(); return }
		for (i = from; i <= to; i++) print line[i]
	}
	function output(name,    line, on, found) {
		while ((getline line <readme) > 0) {
			if (line == "<!-- /" name " -->") on = 0
			if (on && line != "```") print line
			if (line == "<!-- " name " -->") on = found = 1
		}
		close(readme)
		if (!found) missing()
	}
	/^@letter / { section(substr($0, 9)); next }
	/^@readme / { output(substr($0, 9)); next }
	{ print }
	END { exit rc }' "$f"
}

# Every file that the patches given touch, sorted. Renames are never in a
# patch of ours, so both sides of the line are the same.
touched() {
	[ $# -gt 0 ] || return 0
	sed -n 's|^diff --git a/\(.*\) b/\1$|\1|p' "$@" | sort -u
}

# The files that the patches given add and that no later one deletes.
added() {
	[ $# -gt 0 ] || return 0
	awk '/^diff --git a\// { f = $0; sub(/^diff --git a\/.* b\//, "", f) }
	     /^new file mode /     { new[f] = 1 }
	     /^deleted file mode / { delete new[f] }
	     END { for (f in new) print f }' "$@" | sort
}

# preimage FILE PATCH...: the hash that the first patch to touch the file gives
# for what it was before; zeroes if it adds it
preimage() {
	local f=$1

	shift
	awk -v f="diff --git a/$f b/$f" '
		$0 == f { found = 1; next }
		found && /^index / { sub(/\.\..*/, "", $2); print $2; exit }
		/^diff --git / { found = 0 }' "$@"
}

# replay WORK FILE IN [FUNCTION]: do all patches (in patches[]) apply to the
# file, with the content of IN to begin with? The result is WORK/FILE. FUNCTION
# is called with the name of the file as it is before each.
replay() {
	local work=$1 f=$2 p

	rm -rf "$work"
	mkdir -p "$work/$(dirname "$f")"
	kgit init -q "$work"
	cp "$3" "$work/$f"
	for p in "${patches[@]}"; do
		grep -qxF "diff --git a/$f b/$f" "$p" || continue
		[ -z "${4:-}" ] || "$4" "$work/$f"
		# --include takes a pattern; a bracket would be one.
		kgit -C "$work" apply --include="${f//[/\\[}" "$p" \
			>/dev/null 2>&1 || return 1
	done
}

# What makes one materialised tree differ from another: base and patches.
series_key() {
	local p

	{
		echo "$1"
		while read -r p; do
			echo "$p"
			cat "$p" || die "patches/series names ${p##*/}," \
				"which is not there"
		done < <(series_paths)
	} | sha256sum | cut -d ' ' -f 1
}

# Run by hand, `git am' or a rebase may be half-way in build/linux.
in_progress() {
	local d

	for d in rebase-apply rebase-merge MERGE_HEAD CHERRY_PICK_HEAD; do
		[ ! -e "$1/$d" ] || { echo "$d"; return; }
	done
}

# am_failure LOG DIR PATCH...: name patch and file of the `git am' of these
# patches that failed in the worktree DIR
am_failure() {
	local log=$1 dir=$2 n file

	n=$(cat "$(kgit -C "$dir" rev-parse --absolute-git-dir)/rebase-apply/next" \
		2>/dev/null || echo 0)
	shift 2
	# A merge leaves the file unmerged, everything else names it.
	file=$(kgit -C "$dir" diff --name-only --diff-filter=U | head -n 1)
	[ -n "$file" ] ||
		file=$(sed -n -e 's/^error: patch failed: \(.*\):[0-9]*$/\1/p' \
			-e "s/^error: invalid object .* for '\(.*\)'\$/\1/p" \
			-e 's/^error: sha1 information is lacking .* (\(.*\))\.$/\1/p' \
			-e 's/^error: \([^ ]*\): .*/\1/p' "$log" | head -n 1)
	[ -n "$file" ] || file=$(head -n 1 "$log")
	if [ "$n" -gt 0 ]; then
		n=${!n}
		echo "patch ${n##*/} does not apply: $file"
	else
		echo "git am failed: $file"
	fi
}

# scratch DIR COMMIT: a detached worktree of build/linux without files
scratch() {
	rm -rf "$1"
	kgit -C "$TREE" worktree prune
	kgit -C "$TREE" worktree add -q --no-checkout --detach "$1" "$2"
}

# materialise BASE DIR [AM-OPTION...]: the patches as commits on BASE, by way
# of a sparse worktree DIR that holds only the touched files. Sets TIP, or
# returns 1 with the reason in FAILURE.
materialise() {
	local base=$1 wt=$2 gitdir log=$BUILD/log/am.log p=()

	shift 2
	TIP=$base
	mapfile -t p < <(series_paths)
	[ "${#p[@]}" -gt 0 ] || return 0
	mkdir -p "$BUILD/log"
	scratch "$wt" "$base" >"$log" 2>&1 ||
		die "cannot make the scratch worktree $wt (log: $log)"
	gitdir=$(kgit -C "$wt" rev-parse --absolute-git-dir)
	mkdir -p "$gitdir/info"
	touched "${p[@]}" | sed 's|^|/|' >"$gitdir/info/sparse-checkout"
	kgit -C "$wt" -c core.sparseCheckout=true read-tree -m -u HEAD \
		>"$log" 2>&1 || die "cannot fill $wt (log: $log)"
	if ! kgit -C "$wt" -c core.sparseCheckout=true am -q \
		--patch-format=mbox --committer-date-is-author-date \
		--no-gpg-sign --no-scissors "$@" -- "${p[@]}" >"$log" 2>&1
	then
		# Read by the caller.
		# shellcheck disable=SC2034
		FAILURE=$(am_failure "$log" "$wt" "${p[@]}")
		rm -rf "$wt"
		return 1
	fi
	TIP=$(kgit -C "$wt" rev-parse HEAD)
	# The objects are in build/linux; the worktree may go.
	rm -rf "$wt"
	kgit -C "$TREE" worktree prune
}

# export_stack BASE TIP DIR: the stack as it belongs into the repository:
# DIR/patches with series, DIR/overlay
export_stack() {
	local base=$1 tip=$2 out=$3

	rm -rf "$out"
	mkdir -p "$out/patches" "$out/overlay"
	kgit -C "$TREE" format-patch -q -o "$out/patches" --zero-commit \
		--no-signature --full-index -N --no-renames \
		--diff-algorithm=myers --no-thread --no-cover-letter \
		--no-attach --no-notes --no-base --no-signoff --no-to --no-cc \
		--no-add-header --no-ext-diff --no-textconv --no-color \
		--unified=3 --src-prefix=a/ --dst-prefix=b/ \
		--subject-prefix=PATCH --suffix=.patch --encode-email-headers \
		"$base..$tip"
	write_series "$out/patches"
	kgit -C "$TREE" diff --name-only -z --diff-filter=A --no-renames \
		"$base" "$tip" >"$out/added"
	if [ -s "$out/added" ]; then
		GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 \
			xargs -0 git -C "$TREE" -c tar.umask=0022 \
			-c core.autocrlf=false archive "$tip" -- \
			<"$out/added" |
		tar -x --no-same-owner -C "$out/overlay"
	fi
}

# write_series DIR: DIR/series for the patches in DIR. The comment lines that
# stand above a patch in the present series stay above it, found by the
# subject part of its name; when that patch is gone, above the one after it.
write_series() {
	local old=/dev/null

	[ ! -f "$PATCHES/series" ] || old=$PATCHES/series
	(cd "$1" && compgen -G '[0-9]*.patch' | sort) >"$1/series.names" || :
	awk '
	function slug(name) { sub(/^[0-9]+-/, "", name); return name }
	FNR == NR { names[++n] = $1; known[slug($1)] = 1; next }
	/^[[:space:]]*(#|$)/ {
		block = block $0 "\n"
		# The paragraphs before the last one above the first patch
		# speak about the whole series.
		if ($0 == "" && !seen) { head = head block; block = "" }
		next
	}
	{
		seen = 1
		s = slug($1)
		if (s in known) { above[s] = block; block = "" }
	}
	END {
		printf "%s", head
		for (i = 1; i <= n; i++)
			printf "%s%s\n", above[slug(names[i])], names[i]
		printf "%s", block
	}' "$1/series.names" "$old" >"$1/series"
	rm "$1/series.names"
}
