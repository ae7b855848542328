#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Compile the series, and boot it, in the configurations and on the machines of
# dev/guest/config/matrix.
#
#   dev/review/matrix.sh [list|PATTERN...]
#
# PATTERN (shell pattern, also K=) selects rows by NAME:ARCHITECTURE:COMPILER, or
# by any beginning of that; list prints them. What is compiled is compiled with
# W=1, and again without the series: nothing may be new. One line a row: ok;
# excluded, where the base does not know what the row is about; or FAIL and the
# log. What a row came to is kept for as long as series and configurations are the
# same, and the table in the end has all of them, so it can be run in parts.
# WRITE=1 puts it into README.md when no row is missing.

set -euo pipefail
# shellcheck source=dev/guest/guest-lib.sh
. "$(dirname "$0")/../guest/guest-lib.sh"
# shellcheck source=dev/series/tree-lib.sh
. "$(dirname "$0")/../series/tree-lib.sh"
CHK=$BUILD/matrix
SRC=$CHK/src
LOG=$BUILD/log
# shellcheck source=dev/review/compile-lib.sh
. "$(dirname "$0")/compile-lib.sh"
# What it writes is the table, and not what others would.
write=${WRITE:-}
unset LINUX WRITE
# What a row does not have is skipped, and counted in its line.
export CI=false

# --- the table ----------------------------------------------------------------

# rows: "NAME MACHINE BASE OPTION WHAT WORDS", one a machine
rows() {
	sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "${MATRIX:-$DEV/guest/config/matrix}" |
		awk '{
			words = ""
			for (i = 6; i <= NF; i++) words = words " " $i
			if (NF < 5 || $3 !~ /^(on|off|none)$/ ||
			    $4 !~ /^(touched|sparse|kernel|boot)$/) {
				print "bad line: " $0 >"/dev/stderr"
				exit 1
			}
			n = split($5, machine, ",")
			for (i = 1; i <= n; i++)
				print $1, machine[i], $2, $3, $4 words
		}'
}

# selected ROW-NAME: some pattern has it
selected() {
	local p

	for p in "${patterns[@]}"; do
		# The pattern is one.
		# shellcheck disable=SC2053
		[[ $1 != $p && $1 != $p:* ]] || return 0
	done
	return 1
}

# machine ARCHITECTURE:COMPILER: sets what to tell make
machine() {
	local cross=''

	case $1 in
	x86_64:* | i386:*)
		karch=${1%:*} ;;
	arm64:*)
		karch=arm64 cross=aarch64-linux-gnu- ;;
	riscv64:*)
		karch=riscv cross=riscv64-linux-gnu- ;;
	*)
		die "$1: no such machine" ;;
	esac
	case $1 in
	*:gcc)	cc=${cross}gcc ;;
	*:clang) cc=clang ;;
	*)	die "$1: no such compiler" ;;
	esac
	need_tool "$cc"
	need_tool "${cross}ld"
	hostcc=gcc
	O=$CHK/o-${1/:/-}
	make_words=("ARCH=$karch" "CROSS_COMPILE=$cross")
	if command -v ccache >/dev/null; then
		make_words+=("CC=ccache $cc" "HOSTCC=ccache $hostcc")
	else
		make_words+=("CC=$cc" "HOSTCC=$hostcc")
	fi
}

# --- compiling ----------------------------------------------------------------

kmake() {
	make -C "$SRC" O="$O" "${make_words[@]}" "-j$(job_count)" \
		KBUILD_BUILD_TIMESTAMP=0 "$@"
}

# What a row asks for, from these words: SYMBOL=value, the last one on each
requested() {
	local w

	for w; do
		case $w in
		*=*)	echo "CONFIG_${w#\?}" ;;
		*)	cat "$DEV/guest/config/$w.fragment" || return 1 ;;
		esac
	done | config_requests
}

# What has to come true of that: all. But where the first word is what the others
# change, it loses more than they say; another row has it alone.
required() {
	[ $# -lt 2 ] || shift
	requested "$@"
}

# Is there such a symbol, in the tree as it is?
known() {
	grep -rqsE "^(menu)?config $1\$" --include='Kconfig*' "$SRC"
}

# unknown_words: what the row is about and this tree does not know
unknown_words() {
	local w

	for w in $words; do
		case $w in
		\?*)	w=${w#\?}
			known "${w%%=*}" || printf '%s' "${w%%=*}" ;;
		esac
	done
}

# configure on|off: the row's configuration, with the option or not
configure() {
	local option=$1 miss

	mkdir -p "$O"
	rm -f "$O/.config"
	# What depends on the option goes with it.
	# shellcheck disable=SC2086
	required $words >"$O/required"
	[ "$option" = on ] || sed -i /^CONFIG_SCHED_PROXY_EXEC/d "$O/required"
	{
		# shellcheck disable=SC2086
		requested $words | sed 's/^\(.*\)=n$/# \1 is not set/'
		if [ "$option" = on ]; then
			echo CONFIG_SCHED_PROXY_EXEC=y
		else
			echo "# CONFIG_SCHED_PROXY_EXEC is not set"
		fi
	} >"$O/row.fragment"
	kmake "$base" &&
	(cd "$O" && "$SRC/scripts/kconfig/merge_config.sh" -m -O "$O" \
		"$O/.config" "$O/row.fragment") &&
	kmake olddefconfig || return 1
	miss=$(config_misses "$O/required" "$O/.config" | paste -sd' ')
	if [ -n "$miss" ]; then
		echo "error: the configuration did not take: $miss"
		return 1
	fi
}

# The option is what the row says: none is what Kconfig makes of on.
option_took() {
	local have=none

	! grep -qx CONFIG_SCHED_PROXY_EXEC=y "$O/.config" || have=on
	case $option:$have in
	on:on | off:none | none:none) ;;
	*)	echo "error: option $option in the table, and Kconfig made it $have"
		return 1 ;;
	esac
}

# What to compile of the tree as it is: of the series, also the directories in
# kernel/ where it touches only headers
row_targets() {
	if [ "$what" = kernel ]; then
		printf '%s\n' kernel/ init/
		return
	fi
	{
		targets | xargs -n 1
		touched "${patches[@]}" | sed -n 's|^\(kernel/.*/\).*\.h$|\1|p'
	} | sort -u | present
}

# All of it has to be compiled: what is up to date shows no warnings. The tools
# that build it need not be built again.
forget_objects() {
	local t

	for t; do
		[ ! -e "$O/$t" ] || find "$O/$t" -name '*.o' -delete
	done
}

# compile COMMIT on|off LOG
compile() {
	local t sparse=()

	move "$1"
	configure "$2" >"$3" 2>&1 || return 1
	[ "$1" = "$base_commit" ] || option_took >>"$3" || return 1
	mapfile -t t < <(row_targets)
	forget_objects "${t[@]}"
	# Once is enough for all compilers, and Debian's sparse does not know
	# the instruction sets of riscv. Nor does it know what guard() does at
	# the end: where locks are inline, it complains of each.
	case $what:$on:$(grep -x CONFIG_SMP=y "$O/.config") in
	sparse:riscv64:*) ;;
	sparse:*:gcc:) sparse=(C=1 CHECK='sparse -Wno-context') ;;
	sparse:*:gcc:*) sparse=(C=1 CHECK=sparse) ;;
	esac
	kmake W=1 "${sparse[@]}" "${t[@]}" >>"$3" 2>&1
}

# What the warnings of the base depend on
base_key() {
	{
		echo "$base_commit $row"
		targets
		touched "${patches[@]}"
		# shellcheck disable=SC2086
		requested $words
		"$cc" --version
		sparse --version
		declare -f machine kmake configure row_targets compile warnings
	} 2>/dev/null | sha256sum | cut -c 1-16
}

# first_error LOG
first_error() {
	grep -m1 'error:' "$1" || grep -m1 -F '*** [' "$1" || tail -n 1 "$1"
}

# compile_row: sets verdict and note
compile_row() {
	local kept log new n option_here=on

	log=$results/${row_name//:/-}
	[ "$option" != off ] || option_here=off
	machine "$on"
	kept=$CHK/base/${row_name//:/-}-$(base_key)
	move "$base_commit"
	note=$(unknown_words)
	if [ -n "$note" ]; then
		verdict=excluded note="this base has no $note"
		return
	fi
	if [ ! -e "$kept" ]; then
		if ! compile "$base_commit" off "$log-base.log"; then
			note="the base: $(first_error "$log-base.log") (log: $log-base.log)"
			return
		fi
		rm -f "$CHK/base/${row_name//:/-}"-*
		warnings "$log-base.log" >"$kept.tmp"
		mv "$kept.tmp" "$kept"
	fi
	if ! compile "$TIP" "$option_here" "$log.log"; then
		note="$(first_error "$log.log") (log: $log.log)"
		return
	fi
	n=$(grep -cE '^  (CC|CHECK) ' "$log.log") || :
	if [ "$n" -eq 0 ]; then
		note="nothing was compiled (log: $log.log)"
		return
	fi
	warnings "$log.log" >"$log.warnings"
	new=$(new_warnings "$kept" "$log.warnings")
	if [ -n "$new" ]; then
		note="$(wc -l <<<"$new") new: $(head -n 1 <<<"$new") (log: $log.log)"
		sed 's/^/   /' <<<"$new" >"$log.new"
		return
	fi
	verdict=ok
	note="$(grep -cE '^  CC ' "$log.log") files, $(wc -l <"$log.warnings") warnings, none new"
	[ "$option" != none ] || note="option excluded by Kconfig; $note"
}

# --- booting -------------------------------------------------------------------

# boot_row: the words are jobs: selftests, as the kernel has the option, or
# selftests=PROGRAM, only that; off, those of a kernel booted with the option off;
# torture=MINUTES; scx, BPF schedulers, see dev/stress/scx.sh; and NAME=value for the
# environment of all of them
boot_row() {
	local log=$results/${row_name//:/-}.log w proxy=on jobs=() env=()

	[ "$option" = on ] || proxy=absent
	for w in $words; do
		case $w in
		selftests | selftests=* | off | torture=* | scx) jobs+=("$w") ;;
		*=*)	env+=("$w") ;;
		*)	die "$row_name: no job is called $w" ;;
		esac
	done
	if ! "$DEV/guest/kernel.sh" build "$base" >"$log" 2>&1; then
		note="$(tail -n 1 "$log")"
		return
	fi
	if [ "$option" = none ] &&
	   grep -q CONFIG_SCHED_PROXY_EXEC "$BUILD/o/$base/.config"; then
		note="the option is not excluded (log: $log)"
		return
	fi
	for w in "${jobs[@]}"; do
		case $w in
		selftests)
			set -- "$DEV/guest/guest.sh" selftests "$base" "$proxy" icount ;;
		selftests=*)
			set -- "$DEV/guest/guest.sh" selftests "$base" "$proxy" icount "${w#*=}" ;;
		off)
			set -- "$DEV/guest/guest.sh" selftests "$base" off icount ;;
		torture=*)
			set -- env KERNELS="$base" K='*' MINUTES="${w#*=}" \
				"$DEV/stress/torture.sh" ;;
		scx)
			set -- "$DEV/stress/scx.sh" "$base" ;;
		esac
		if ! env "${env[@]}" "$@" >"$log.job" 2>&1; then
			cat "$log.job" >>"$log"
			note="$w: $(grep -m1 -E '^FAIL|^[a-z]*: ' "$log.job" ||
				tail -n 1 "$log.job") (log: $log)"
			return
		fi
		cat "$log.job" >>"$log"
		note="$note${note:+; }$w: $(grep -oE '[0-9]+ passed, .*' "$log.job" |
			tail -n 1)"
	done
	rm -f "$log.job"
	verdict=ok
	[ "$option" != none ] || note="option excluded by Kconfig; $note"
}

# --- running them --------------------------------------------------------------

# cell: what the table says of a row
cell() {
	case $verdict:$option:$what in
	ok:*:boot) echo boots ;;
	ok:none:*) echo "ok, n" ;;
	ok:*)	echo ok ;;
	*)	echo "$verdict" ;;
	esac
}

# verdict_file ROW: where its verdict is kept; another one when series or
# configurations change
verdict_file() {
	echo "$CHK/verdicts/$(sha256sum <<<"$TIP $configs $1" | cut -c 1-16)"
}

# verdicts: of all rows, "?" for what is missing
verdicts() {
	local row name on base words

	while read -r row; do
		read -r name on base _ _ words <<<"$row"
		cat "$(verdict_file "$row")" 2>/dev/null ||
			printf '%s\t%s\t?\t%s\n' "$name" "$on" "$base $words"
	done <<<"$all"
}

# table: the verdicts, a line a configuration, a column a machine
table() {
	verdicts | awk -F '\t' '
		{ key = $1; if (!(key in seen)) { seen[key]; order[++n] = key }
		  cell[key, $2] = $3; words[key] = $4
		  if (!($2 in col)) { col[$2]; cols[++m] = $2 } }
		END {
			printf "%-10s", "";
			for (j = 1; j <= m; j++) printf " %-9s", substr(cols[j], 1, index(cols[j], ":") - 1)
			printf "\n%-10s", ""
			for (j = 1; j <= m; j++) printf " %-9s", substr(cols[j], index(cols[j], ":") + 1)
			print "configuration"
			for (i = 1; i <= n; i++) {
				printf "%-10s", order[i]
				for (j = 1; j <= m; j++)
					printf " %-9s", ((order[i], cols[j]) in cell) ? cell[order[i], cols[j]] : "-"
				print words[order[i]]
			}
		}' | sed 's/ *$//'
}

patterns=("$@")
if [ $# -eq 0 ]; then
	read -ra patterns <<<"${K:-*}"
fi
all=$(rows) || die "${MATRIX:-dev/guest/config/matrix} cannot be read"
if [ "${patterns[*]}" = list ]; then
	awk '{ print $1 ":" $2 }' <<<"$all"
	exit
fi
mapfile -t todo < <(while read -r row; do
	read -r name on _ <<<"$row"
	! selected "$name:$on" || echo "$row"
done <<<"$all")
[ "${#todo[@]}" -gt 0 ] ||
	die "no row matches '${patterns[*]}'; dev/review/matrix.sh list names them"

lock matrix
mkdir -p "$CHK"/{base,verdicts} "$LOG"
mapfile -t patches < <(series_paths)
results=$(new_results matrix) || die "cannot create a directory in $RESULTS"
need_tip || die "$tip_failure"
configs=$(cat "$DEV"/guest/config/{configs,*.fragment} | sha256sum)
passed=0 failed=0 excluded=0
for row in "${todo[@]}"; do
	read -r name on base option what words <<<"$row"
	row_name=$name:$on
	start=$SECONDS verdict=FAIL note=''
	case $what in
	boot)	boot_row ;;
	*)	compile_row ;;
	esac
	case $verdict in
	ok)	passed=$((passed + 1)) ;;
	excluded) excluded=$((excluded + 1)) ;;
	*)	failed=$((failed + 1)) ;;
	esac
	printf '%-8s %-22s %s, %d s\n' "$verdict" "$row_name" "$note" \
		$((SECONDS - start))
	[ ! -s "$results/${row_name//:/-}.new" ] ||
		cat "$results/${row_name//:/-}.new"
	printf '%s\t%s\t%s\t%s\n' "$name" "$on" "$(cell)" "$base $words" \
		>"$(verdict_file "$row")"
done
table >"$results/table"
say ""
cat "$results/table"
say "(table and logs: $results)"
if [ "$write" = 1 ]; then
	! verdicts | cut -f 3 | grep -qx '?' ||
		die "WRITE=1: the table has rows that have not been run (?)"
	! verdicts | cut -f 3 | grep -qx FAIL ||
		die "WRITE=1: the table has rows that fail; README.md is as it was"
	"$DEV/results/put-table.py" --mark matrix "$results/table" "$TOP/README.md"
fi
say "matrix: $passed passed, $failed failed, $excluded skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
