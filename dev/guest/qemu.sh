#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Boot a kernel built by dev/guest/kernel.sh, run a job in it, and judge the run.
#
#   dev/guest/qemu.sh [options] CONFIG JOBFILE NAME
#   dev/guest/qemu.sh --shell [options] CONFIG
#
#   --mode icount|mttcg   time by instructions, repeatable (default), or one
#                         host thread per CPU, for races
#   --proxy on|off        boot with sched_proxy_exec=1 or 0 and expect that;
#                         without it: the kernel's default
#   --donations required|none|any|COUNTER,COUNTER...
#                         proxy events the run must show (default: required
#                         with proxy on, else none; required is the counter
#                         donations)
#   --programs "A B"      test programs that must have run
#   --skips allowed|refused
#                         default: refused when CI is set, but not to false,
#                         no or 0
#   --smp N  --mem MIB  --append "WORDS"  --timeout SECONDS  --extra FILE
#   --plugin FILE.so,...  of QEMU's TCG
#   --host-cpu N          icount: have that CPU of the host to itself. QEMU is two
#                         threads, and which of them comes first at an expired
#                         timer shows in the guest; in a real-time class on one
#                         CPU they take turns only when one sleeps
#
# The results directory, build/results/<stamp>-NAME, gets: console, results
# (the guest's second serial port), qemu.cmd (the exact command), cmdline,
# requested (configuration asked for), config (the guest's own), source.id (the
# commit), expect, verdict; of a guest that hung also registers, see dev/guest/guard.py.
# The last line printed is the directory; the exit status says whether the run
# was good.
# ACCEL=kvm uses KVM instead of TCG.

set -u
# shellcheck source=dev/guest/guest-lib.sh
. "$(dirname "$0")/guest-lib.sh"

mode=icount proxy='' donations='' programs='' skips='' smp=4 mem=1024
append='' limit=600 shell='' extra=() plugin=() host_cpu=''
while [ $# -gt 0 ]; do
	case $1 in
	--shell)
		shell=1
		shift
		continue ;;
	--mode|--proxy|--donations|--programs|--skips|--smp|--mem|--append|--timeout|--extra|--plugin|--host-cpu)
		[ $# -ge 2 ] || usage ;;
	-*)
		usage ;;
	*)
		break ;;
	esac
	case $1 in
	--mode) mode=$2 ;;
	--proxy) proxy=$2 ;;
	--donations) donations=$2 ;;
	--programs) programs=$2 ;;
	--skips) skips=$2 ;;
	--smp) smp=$2 ;;
	--mem) mem=$2 ;;
	--append) append=$2 ;;
	--timeout) limit=$2 ;;
	--extra) extra+=("$2") ;;
	--plugin) plugin=(-plugin "$2") ;;
	--host-cpu) host_cpu=$2 ;;
	esac
	shift 2
done
if [ -n "$shell" ]; then
	[ $# -eq 1 ] || usage
	job=/dev/null name=shell
else
	[ $# -eq 3 ] || usage
	job=$2 name=$3
fi
config=$1
O=$BUILD/o/$config
if [ -z "$skips" ]; then
	case ${CI:-false} in
	false|no|0) skips=allowed ;;
	*) skips=refused ;;
	esac
fi

guest_arch "$config"
case $GUEST_ARCH in
arm64)
	cpu=cortex-a76 console=ttyAMA0
	machine=(qemu-system-aarch64 -machine virt
		 -semihosting-config "enable=on,userspace=on")
	need_tool "${machine[0]}" qemu-system-arm ;;
*)
	cpu=qemu64 console=ttyS0,115200
	machine=(qemu-system-x86_64 -machine q35)
	need_tool "${machine[0]}" qemu-system-x86 ;;
esac
need_tool python3

accel_args() {
	case ${ACCEL:-tcg} in
	kvm)
		[ "$GUEST_ARCH" = x86_64 ] ||
			die "ACCEL=kvm: not for $GUEST_ARCH"
		grep -qwE 'vmx|svm' /proc/cpuinfo ||
			die "ACCEL=kvm: this machine has no KVM (no vmx or svm in /proc/cpuinfo)"
		[ -w /dev/kvm ] || die "ACCEL=kvm: /dev/kvm cannot be used"
		accel=(-accel kvm -cpu host)
		mode=kvm
		return ;;
	tcg)
		;;
	*)
		die "ACCEL=$ACCEL: only tcg and kvm are known" ;;
	esac
	case $mode in
	icount)
		accel=(-accel "tcg,thread=single" -cpu "$cpu"
		       -icount "shift=1,sleep=off"
		       -rtc "base=2026-01-01,clock=vm" -seed 1)
		append="norandmaps${append:+ $append}" ;;
	mttcg)
		accel=(-accel "tcg,thread=multi" -cpu "$cpu")
		append="$(tsc_word)${append:+$append}" ;;
	*)
		die "--mode $mode: only icount and mttcg are known" ;;
	esac
}

# Do not leave it to a busy host what the guest takes for a second.
tsc_word() {
	[ "$(uname -m):$GUEST_ARCH" = x86_64:x86_64 ] || return 0
	if [ ! -x "$BUILD/tsc-khz" ]; then
		need_tool gcc
		if ! mkdir -p "$BUILD" ||
		   ! gcc -O2 -o "$BUILD/tsc-khz.$$" "$DEV/guest/tsc-khz.c" ||
		   ! mv "$BUILD/tsc-khz.$$" "$BUILD/tsc-khz"; then
			die "cannot build $DEV/guest/tsc-khz.c"
		fi
	fi
	echo "tsc_early_khz=$("$BUILD/tsc-khz") "
}

# What has to be true of the kernel's own word on proxy execution.
expect_proxy() {
	if ! grep -qx CONFIG_SCHED_PROXY_EXEC=y "$O/requested"; then
		[ -z "$proxy" ] ||
			die "--proxy $proxy: kernel $config has no proxy execution"
		echo absent
		return
	fi
	echo "${proxy:-on}"
}

# Sets alone, what to start QEMU with
alone_args() {
	[ -n "$host_cpu" ] && [ "$mode" = icount ] || return 0
	need_tool taskset
	taskset -c "$host_cpu" true 2>/dev/null ||
		die "--host-cpu $host_cpu: this machine has no such CPU for us"
	alone=(taskset -c "$host_cpu")
	if chrt -f 1 true 2>/dev/null; then
		alone+=(chrt -f 1)
	else
		say "no right to a real-time class: figures of a busy host may differ"
	fi
}

accel=() alone=()
accel_args
alone_args
[ -f "$O/$IMAGE" ] && [ -f "$O/build.id" ] ||
	die "kernel $config is not built: run 'make kernel CONFIG=$config'"
expect=$(expect_proxy) || exit
case $proxy in
'') ;;
on) append="sched_proxy_exec=1${append:+ $append}" ;;
off) append="sched_proxy_exec=0${append:+ $append}" ;;
*) die "--proxy $proxy: only on and off are known" ;;
esac
if [ -z "$donations" ]; then
	donations=none
	[ "$expect" != on ] || donations=required
fi

image=$("$DEV/guest/initramfs.sh" "$config" "$job" "${extra[@]}") || exit 1
words='' exit_port=()
if [ "$GUEST_ARCH" = x86_64 ]; then
	words='tsc=reliable no_timer_check '
	exit_port=(-device "isa-debug-exit,iobase=0x501,iosize=0x4")
fi
cmdline="console=$console quiet loglevel=5 ${words}nokaslr mitigations=off panic=-1 oops=panic${append:+ $append}"
cmd=("${alone[@]}" "${machine[@]}" "${accel[@]}" "${plugin[@]}" -smp "$smp" -m "$mem"
     -nodefaults -display none -no-reboot "${exit_port[@]}"
     -kernel "$O/$IMAGE" -initrd "$image")

if [ -n "$shell" ]; then
	cmd+=(-serial mon:stdio -append "$cmdline guest.shell")
	say "$(printf '%q ' "${cmd[@]}")"
	say "(Ctrl-A X ends QEMU, 'exit' ends the guest)"
	"${cmd[@]}"
	rc=$?
	[ "$rc" -eq 3 ] || [ "$rc" -eq 0 ] || die "QEMU ended with status $rc"
	exit 0
fi

dir=$(new_results "$name") || die "cannot create a directory in $RESULTS"
need_space "$dir" 100
# The path of a socket has to be short.
if [ ${#dir} -lt 90 ]; then
	cmd+=(-monitor "unix:$dir/monitor.sock,server=on,wait=off"
	      -chardev "socket,id=console,path=$dir/console.sock,server=on,wait=off,logfile=$dir/console"
	      -serial chardev:console)
else
	say "the path of $dir is too long: if the guest hangs, it cannot be asked why"
	cmd+=(-serial "file:$dir/console")
fi
case $GUEST_ARCH in
x86_64)	cmd+=(-serial "file:$dir/results") ;;
# The machine has one port of its own.
*)	cmd+=(-chardev "file,id=results,path=$dir/results"
	      -device "pci-serial,chardev=results") ;;
esac
cmd+=(-append "$cmdline")
{
	echo "#!/bin/sh"
	printf '%q ' "${cmd[@]}"
	echo
} >"$dir/qemu.cmd"
chmod +x "$dir/qemu.cmd"
echo "$cmdline" >"$dir/cmdline"
cp "$O/requested" "$dir/requested"
cp "$job" "$dir/job"
cp "$O/source.id" "$dir/source.id" 2>/dev/null
{
	echo "name=$name"
	echo "kernel=$config"
	echo "mode=$mode"
	echo "proxy=$expect"
	echo "donations=$donations"
	echo "skips=$skips"
	echo "programs=$programs"
	echo "timeout=$limit"
} >"$dir/expect"

pid=''
stop_guest() {
	trap - INT TERM HUP EXIT
	if [ -n "$pid" ] && kill "$pid" 2>/dev/null; then
		wait "$pid" 2>/dev/null
	fi
	if [ -n "$1" ]; then
		echo interrupted >"$dir/qemu.rc"
		say "interrupted: the guest is stopped, what it wrote is in $dir" >&2
		exit "$1"
	fi
}
trap 'stop_guest 130' INT
trap 'stop_guest 143' TERM
trap 'stop_guest 129' HUP
trap 'stop_guest ""' EXIT

say "boot $name: $config, $mode, $smp CPUs, at most $limit s"
say "  $(sed 1d "$dir/qemu.cmd")"
start=$(now)
# In the background so that a signal reaches us at once; guard passes the one
# it gets on to QEMU, and gets one when this shell dies.
setpriv --pdeathsig TERM "$DEV/guest/guard.py" "$dir" "$limit" "$O/System.map" \
	"${cmd[@]}" </dev/null >"$dir/qemu.out" 2>&1 &
pid=$!
wait "$pid"
rc=$?
pid=''
# A signal to all of us can end guard before this shell has seen it.
case $rc in
129|130|143) stop_guest "$rc" ;;
esac
trap - INT TERM HUP EXIT
rm -f "$dir/monitor.sock" "$dir/console.sock"
echo "$rc" >"$dir/qemu.rc"
echo "$(($(now) - start))" >"$dir/seconds"

"$DEV/guest/verdict.py" "$dir"
rc=$?
say "$dir"
exit "$rc"
