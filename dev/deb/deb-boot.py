#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Log in to a Debian guest over its serial port, and see that it works.

    dev/deb/deb-boot.py --out DIR --release RELEASE [--minutes N] [--patience F] -- QEMU...

QEMU has the guest's console on its standard input and output; root's password is
"proxy". F multiplies all timeouts. One line a check; the last, how many passed and
failed. DIR/console has all that was on the line, DIR/selftests what run_kselftest.sh
said, DIR/dmesg.

debvm and autopkgtest-virt-qemu start QEMU their own way and reach the guest by ssh or
a second port. This guest needs one TCG thread for all CPUs, its kernel may have no
network (TRIM=1), and a login on the console is part of what is tested. They would
replace log_in() and run(), 25 lines; the checks would stay.
"""
import argparse
import importlib.machinery
import importlib.util
import os
import re
import sys

import pexpect

sys.dont_write_bytecode = True

PROMPT = "proxy-guest# "
# What a kernel says when something is wrong with it
LOADER = importlib.machinery.SourceFileLoader("verdict", os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "../guest/verdict.py"))
VERDICT = importlib.util.module_from_spec(
    importlib.util.spec_from_loader("verdict", LOADER))
LOADER.exec_module(VERDICT)


class Guest:
    def __init__(self, command, out, patience):
        self.patience = patience
        self.log = open(os.path.join(out, "console"), "w", encoding="utf-8")
        self.qemu = pexpect.spawn(command[0], command[1:], encoding="utf-8",
                                  codec_errors="replace", logfile=self.log,
                                  echo=False, dimensions=(50, 200))
        self.qemu.delaybeforesend *= patience
        self.failed = self.passed = 0

    def check(self, ok, what):
        print(f"{'ok  ' if ok else 'FAIL'} {what}", flush=True)
        if ok:
            self.passed += 1
        else:
            self.failed += 1
        return ok

    def expect(self, pattern, timeout):
        self.qemu.expect(pattern, timeout=timeout * self.patience)

    def log_in(self):
        self.expect("proxy-guest login: ", 600)
        self.qemu.sendline("root")
        self.expect("Password: ", 120)
        self.qemu.sendline("proxy")
        self.expect("# ", 120)
        # Nothing of what is typed, and no colours, may look like an answer.
        self.qemu.sendline(f"stty -echo; export TERM=dumb; PS1='{PROMPT}'")
        self.expect("[\\r\\n]" + PROMPT, 60)
        self.run("dmesg -n 1; bind 'set enable-bracketed-paste off'")

    def run(self, command, timeout=120):
        """Its exit status and what it printed"""
        self.qemu.sendline(command + "; echo \"@@$?\"")
        self.expect(r"@@(\d+)\r+\n", timeout)
        rc, text = int(self.qemu.match.group(1)), self.qemu.before
        self.expect(PROMPT, 60)
        return rc, text.replace("\r", "")

    def says(self, command, wanted, what):
        text = self.run(command)[1].strip()
        self.check(text == wanted, what if text == wanted else
                   f"{what}: '{command}' says '{text}', not '{wanted}'")

    def counter(self, name):
        text = self.run("cat /sys/kernel/debug/sched/proxy_exec/stats")[1]
        found = re.search(rf"^{name}\s+(\d+)", text, re.M)
        return int(found.group(1)) if found else None


def selftests(guest, out):
    rc, text = guest.run(
        "export PROXY_EXEC_TIMING=0; cd /opt/proxy_exec && "
        "./run_kselftest.sh 2>&1", timeout=3600)
    with open(os.path.join(out, "selftests"), "w", encoding="utf-8") as f:
        f.write(text)
    # The runner's own lines are not indented by "# ".
    for m in re.finditer(r"^(not )?ok \d+ selftests: (\S+: \S+)(.*)$", text,
                         re.M):
        guest.check(not m.group(1), f"{m.group(2)}{m.group(3)}")
    programs = len(re.findall(r"^(?:not )?ok \d+ selftests: ", text, re.M))
    cases = len(re.findall(r"^# +ok \d+", text, re.M))
    skips = len(re.findall(r"^# +ok \d+ .*# SKIP", text, re.M))
    guest.check(programs > 10 and rc == 0,
                f"run_kselftest.sh: {programs} programs, {cases} cases, "
                f"{skips} skipped")


def torture(guest, minutes):
    before = guest.counter("donations")
    rc, text = guest.run(
        "modprobe torture random_shuffle=1 && modprobe locktorture "
        "torture_type=mutex_lock nwriters_stress=24 nested_locks=8 "
        f"onoff_interval=1 onoff_holdoff=2 && sleep {minutes * 60:.0f} && "
        "modprobe -r locktorture torture", timeout=minutes * 240 + 300)
    guest.check(rc == 0, f"locktorture runs {text.strip()}".strip())
    text = guest.run("dmesg | grep -e 'Writes:' -e 'End of test' | tail -n 2")[1]
    total = re.search(r"Writes: +Total: (\d+)", text)
    guest.check("End of test: SUCCESS" in text and total is not None,
                f"locktorture: {total.group(1) if total else 'no'} acquisitions")
    after = guest.counter("donations")
    guest.check(before is not None and after is not None and after > before,
                f"donations before and after it: {before}, {after}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", required=True)
    parser.add_argument("--release", required=True)
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--patience", type=float, default=1)
    parser.add_argument("qemu", nargs="+")
    args = parser.parse_args()
    guest = Guest(args.qemu, args.out, args.patience)
    what = "the login prompt"
    try:
        guest.log_in()
        guest.check(True, "boots, and root logs in")
        what = "systemd"
        guest.says("uname -r", args.release, "it is our kernel")
        guest.run("systemctl is-system-running --wait >/dev/null", timeout=600)
        guest.says("systemctl is-system-running", "running",
                   "systemd is up and no unit has failed")
        guest.says("systemctl --failed --no-legend", "", "no failed unit")
        guest.says("stat -f -c %T /sys/fs/cgroup", "cgroup2fs", "cgroup v2")
        guest.says("readlink -f /dev/disk/by-path/*virtio* | sort -u | head -n 1",
                   "/dev/vda", "udev has named the disk")
        guest.says("lsmod | grep -c '^virtio_blk '", "1",
                   "the disk's driver is a module")
        guest.says("cat /sys/kernel/debug/sched/proxy_exec/enabled", "1",
                   "proxy execution is on")
        what = "the selftests"
        selftests(guest, args.out)
        what = "locktorture"
        torture(guest, args.minutes)
        what = "the log"
        # Not what a test has asked sysrq for, which is of a lower level
        text = guest.run("dmesg -l emerg,alert,crit,err,warn", timeout=300)[1]
        with open(os.path.join(args.out, "dmesg"), "w", encoding="utf-8") as f:
            f.write(text)
        bad = [line for line in text.splitlines()
               if any(p.search(line) for _, p in VERDICT.SPLATS)]
        guest.check(not bad, "nothing in the log" if not bad else
                    f"the log has {len(bad)} lines, the first: {bad[0]}")
        what = "the end"
        guest.qemu.sendline("poweroff")
        guest.expect(pexpect.EOF, 300)
        guest.check(True, "shuts down")
    except pexpect.TIMEOUT:
        guest.check(False, f"timeout: waited in vain for {what}; the console "
                    f"is in {args.out}/console")
    except pexpect.EOF:
        guest.check(False, f"QEMU ended while waiting for {what}; the console "
                    f"is in {args.out}/console")
    finally:
        guest.qemu.close(force=True)
        guest.log.close()
    print(f"deb: {guest.passed} passed, {guest.failed} failed")
    sys.exit(guest.failed != 0)


if __name__ == "__main__":
    main()
