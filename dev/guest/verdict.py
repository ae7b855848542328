#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Judge the run of a guest, fail-closed.

    dev/guest/verdict.py DIR

DIR is a results directory of dev/guest/qemu.sh. A run is good only if everything that
has to be there is there: the guest said what it runs, that is what was asked
for, every program ran to the end of its plan, the console is complete and has
no report of the kernel in it, and the guest ended in the one way in which a
guest that has finished ends. Whatever is missing is a failure with a message
of its own. Writes DIR/verdict, DIR/verdict.json, DIR/excused, the known races that
it met, and, as far as the guest told, DIR/config; prints failures and counts.

The last line is "NAME: N passed, N failed, N skipped". Counted are the results
of test programs and, as one more, the run itself.
"""
import base64
import binascii
import gzip
import json
import os
import re
import sys
import zlib

sys.dont_write_bytecode = True
sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)),
                             "../review/excuses"))
import excuses  # noqa: E402

# Reports of the kernel. The first that matches a line names it.
SPLATS = [(name, re.compile(pattern)) for name, pattern in (
    ("kernel panic", r"Kernel panic"),
    ("lockdep report", r"possible circular locking dependency"),
    ("lockdep report", r"possible recursive locking"),
    ("lockdep report", r"possible irq lock inversion"),
    ("lockdep report", r"lock order detected"),
    ("lockdep report", r"inconsistent lock state"),
    ("lockdep report", r"held lock freed"),
    ("lockdep report", r"lock held when returning|still has locks held"),
    ("lockdep report", r"bad unlock balance|bad contention detected"),
    ("lockdep report", r"Nested lock was not taken"),
    ("lockdep report", r"BUG: Invalid wait context"),
    ("lockdep report", r"trying to register non-static key"),
    ("lockdep report", r"BUG: MAX_LOCK|lockdep is turned off"),
    ("lockdep report", r"turning off the locking correctness validator"),
    ("pressure accounting", r"psi: (task underflow|inconsistent)"),
    ("RCU report", r"suspicious RCU usage"),
    ("RCU stall", r"rcu.*(detected (expedited )?stalls? on|self-detected stall)"),
    ("RCU stall", r"rcu.*(kthread starved|grace-period kthread)"),
    # Not the one that hung.c asks for
    ("hung task", r"INFO: task (?!px_hung:)\S.* blocked for more than \d+ seconds"),
    ("soft lockup", r"soft lockup"),
    ("hard lockup", r"hard LOCKUP"),
    ("workqueue lockup", r"BUG: workqueue lockup"),
    ("KASAN report", r"KASAN:"),
    ("KCSAN report", r"KCSAN:"),
    ("UBSAN report", r"UBSAN:"),
    ("refcount report", r"refcount_t:"),
    ("sleep in atomic context", r"scheduling while atomic"),
    ("sleep in atomic context", r"sleeping function called"),
    ("list corruption", r"list_(add|del)\S* corruption|plist_\w+ corruption"),
    ("general protection fault", r"general protection"),
    ("bad access", r"[Uu]nable to handle"),
    ("stack corruption", r"stack[- ](guard|protector)|corrupted stack"),
    ("lock debugging report", r"DEBUG_LOCKS_WARN_ON"),
    ("oops", r"\bOops\b"),
    ("warning", r"\bWARNING:"),
    ("bug", r"\bBUG:|kernel BUG at"),
    ("splat", r"-+\[ cut here \]-+"),
    ("splat", r"Call [Tt]race:"),
)]

KCSAN_TITLE = re.compile(r"BUG: KCSAN: data-race in (.*?)\s*$")


# What is the base's own: names, and a caller
try:
    KNOWN_RACES = excuses.Excuses("kcsan")
except excuses.Error as problem:
    sys.exit(f"verdict: {problem}")


def is_known_race(lines):
    """LINES begins with the title of the report."""
    match = KCSAN_TITLE.search(lines[0])
    if not match:
        return False
    # Offsets, and what the compiler made of a function, are not its name.
    names = re.sub(r"(\.\w+)+|\+0x\w+/0x\w+", "", match.group(1))
    return any(KNOWN_RACES.find(names, line.rstrip()) for line in lines[1:16])


CONSOLE_OPEN = "guest: console open"
CONSOLE_COMPLETE = "guest: console complete"

# Taint flags that tests set by being loaded: out-of-tree, unsigned, test.
TAINT_ALLOWED = 1 << 12 | 1 << 13 | 1 << 18
TAINT_NAMES = {1: "forced module", 5: "bad page", 7: "died", 9: "warning",
               14: "soft lockup"}

# What a test of kselftest_harness.h says of the check that failed
FAILED = re.compile(r"^\s*# (\S+\.c:\d+:.*:Expected .*)$")
RESULT = re.compile(r"^(\s*)(not ok|ok)\b\s*(\d+)?\s*(?:-\s*)?([^#]*)(#.*)?$")
PLAN = re.compile(r"^1\.\.(\d+)\s*(#\s*SKIP\b.*)?$", re.I)
SKIP = re.compile(r"#\s*(SKIP|XFAIL)\b", re.I)


class Program:
    """One test program: what it wrote and how it ended."""

    def __init__(self, command):
        self.command = command
        self.name = os.path.basename(command.split()[0]) if command else "?"
        self.lines = []
        self.rc = None


class Counts:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def text(self):
        text = f"{self.passed} passed, {self.failed} failed"
        return text + (f", {self.skipped} skipped" if self.skipped else "")


class Run:
    """What the guest said on its results port."""

    def __init__(self, text):
        self.began = False
        self.boots = []
        self.cmdline = None
        self.config_dump = None
        self.programs = []
        self.stats = None
        self.enabled = None
        self.tainted = None
        self.end_rc = None
        self.problems = []
        self._section = None
        self._program = None
        self._sections = {"config": [], "stats": []}
        for line in text.replace("\r", "").split("\n"):
            self._line(line)
        if self._sections["config"] and self._section != "config":
            self.config_dump = "".join(self._sections["config"])
        if self.stats is not None:
            self._parse_stats()

    def _line(self, line):
        if line.startswith("@@"):
            self._marker(*(line[2:].split(" ", 1) + [""])[:2])
        elif self._section:
            self._sections[self._section].append(line)
        elif self._program:
            self._program.lines.append(line)

    def _marker(self, word, rest):
        if word == "begin":
            self.began = True
        elif word == "cmdline":
            self.cmdline = rest
        elif word == "boot":
            self.boots.append(rest)
        elif word in ("config-begin", "stats-begin"):
            self._section = word.split("-")[0]
        elif word in ("config-end", "stats-end"):
            if word == "stats-end" and self._section == "stats":
                self.stats = {}
            self._section = None
        elif word == "prog-start":
            self._program = Program(rest)
            self.programs.append(self._program)
        elif word == "prog-end":
            match = re.match(r"rc=(\d+)", rest)
            if self._program and match:
                self._program.rc = int(match.group(1))
            self._program = None
        elif word == "enabled":
            self.enabled = rest.strip()
        elif word == "tainted":
            self.tainted = int(rest) if rest.strip().isdigit() else None
        elif word == "end":
            match = re.match(r"rc=(\d+)", rest)
            self.end_rc = int(match.group(1)) if match else None

    def _parse_stats(self):
        for line in self._sections["stats"]:
            words = line.split()
            if len(words) == 2 and words[1].isdigit():
                self.stats[words[0]] = int(words[1])


def read(path):
    try:
        with open(path, errors="replace") as f:
            return f.read()
    except OSError:
        return None


def parse_config(text):
    """A .config as a dict; what is not set is not in it."""
    found = {}
    for line in text.splitlines():
        if line.startswith("CONFIG_") and "=" in line:
            name, value = line.split("=", 1)
            found[name] = value
    return found


def parse_expect(text):
    return dict(line.split("=", 1) for line in text.splitlines()
                if "=" in line)


def judge_program(prog, expect, counts):
    """Messages about one program; counts its results."""
    problems = []
    plan = None
    whole_skip = None
    numbers = []
    bad = skips = 0
    why = []
    for line in prog.lines:
        match = FAILED.match(line)
        if match:
            why.append(match.group(1))
        match = PLAN.match(line)
        if match:
            if plan is not None:
                problems.append(f"{prog.name}: two plans")
            plan = int(match.group(1))
            whole_skip = match.group(2)
            continue
        if line.startswith("Bail out!"):
            problems.append(f"{prog.name}: {line}")
            continue
        match = RESULT.match(line)
        if not match:
            continue
        indent, result, number, title, note = match.groups()
        what = f"{prog.name}: {title.strip() or number}"
        if result == "not ok":
            bad += 1
            problems.append(f"not ok: {what}" +
                            (f" ({'; '.join(why[:3])})" if why else ""))
        why = []
        if indent:
            continue
        numbers.append(number)
        if result == "ok" and note and SKIP.match(note):
            skips += 1
            counts.skipped += 1
            if expect.get("skips") == "refused":
                problems.append(f"skipped: {what}: {note.lstrip('# ')}")
        elif result == "ok":
            counts.passed += 1
    if plan is None:
        problems.append(f"{prog.name}: no plan line")
    elif plan == 0:
        counts.skipped += 1
        if not whole_skip:
            problems.append(f"{prog.name}: empty plan without a reason")
        elif expect.get("skips") == "refused":
            problems.append(f"skipped: {prog.name}: "
                            f"{whole_skip.lstrip('# ')}")
        skips += 1
    if plan is not None and len(numbers) < plan:
        problems.append(f"{prog.name}: truncated: {len(numbers)} results, "
                        f"{plan} planned")
    elif plan is not None and len(numbers) > plan:
        problems.append(f"{prog.name}: {len(numbers)} results, only {plan} "
                        f"planned")
    if [n for n in numbers if n] != [
            str(i + 1) for i, n in enumerate(numbers) if n]:
        problems.append(f"{prog.name}: results out of sequence: " +
                        " ".join(n or "-" for n in numbers))
    problems += judge_exit(prog, bad, skips)
    return problems


def judge_exit(prog, bad, skips):
    if prog.rc is None:
        return [f"{prog.name}: did not end"]
    if prog.rc == 137:
        return [f"{prog.name}: killed (too slow, or by a signal)"]
    if prog.rc == 4 and skips:
        return []
    if prog.rc != 0 and not bad:
        return [f"{prog.name}: exit status {prog.rc} without a not ok"]
    if prog.rc == 0 and bad:
        return [f"{prog.name}: exit status 0 in spite of a not ok"]
    return []


def judge_console(console):
    if console is None:
        return ["no console file"]
    problems = []
    seen = set()
    lines = console.replace("\r", "").split("\n")
    for i, line in enumerate(lines):
        for name, pattern in SPLATS:
            if pattern.search(line):
                if is_known_race(lines[i:]):
                    break
                text = re.sub(r"^\s*\[\s*[\d.]+\]\s*(\[\s*[TC]\d+\]\s*)?", "",
                              line).strip()
                # A report is many lines that match; one of each kind is
                # enough to find it.
                if name not in seen:
                    problems.append(f"console: {name}: {text}")
                seen.add(name)
                break
    if "splat" in seen and len(seen) > 1:
        problems = [p for p in problems
                    if not p.startswith("console: splat:")]
    if CONSOLE_OPEN not in console:
        problems.append("console: silent: the guest's first line is missing")
    elif CONSOLE_COMPLETE not in console and not seen:
        problems.append("console: incomplete: the guest's last line is "
                        "missing")
    return problems


def judge_config(run, requested, directory):
    if requested is None:
        return ["config: no list of what was asked for"]
    if run.config_dump is None:
        return ["config: the guest did not show its configuration"]
    try:
        text = gzip.decompress(base64.b64decode(run.config_dump,
                                                validate=True)).decode()
    except (binascii.Error, OSError, EOFError, zlib.error,
            UnicodeDecodeError):
        return ["config: what the guest showed cannot be read"]
    if directory:
        with open(os.path.join(directory, "config"), "w") as f:
            f.write(text)
    found = parse_config(text)
    problems = []
    asked = [line.split("=", 1) for line in requested.splitlines() if line]
    if not asked:
        problems.append("config: the list of what was asked for is empty")
    for name, value in asked:
        have = found.get(name, "n")
        if have != value:
            problems.append(f"config: {name}={have} in the guest, {value} "
                            f"asked for")
    return problems


def judge_proxy(run, expect):
    """Boot line, debugfs and counters say what the run is about."""
    want = expect.get("proxy")
    problems = []
    if want not in ("on", "off", "absent"):
        return [f"expect: proxy={want}: not on, off or absent"]
    states = []
    for line in run.boots:
        match = re.match(r"sched/proxy: proxy execution (on|off)\b", line)
        states.append(match.group(1) if match else line)
    if want == "absent":
        if states:
            problems.append("boot line of proxy execution in a kernel "
                            "without it")
        if run.stats is not None:
            problems.append("proxy counters in a kernel without proxy "
                            "execution")
        return problems
    if not states:
        problems.append("boot line of proxy execution missing")
    elif len(states) > 1:
        problems.append(f"{len(states)} boot lines of proxy execution")
    elif states[0] != want:
        problems.append(f"boot line says proxy execution {states[0]}, the "
                        f"run is about {want}")
    if run.enabled != ("1" if want == "on" else "0"):
        problems.append(f"debugfs says enabled={run.enabled}, the run is "
                        f"about {want}")
    return problems + judge_donations(run, expect)


def judge_donations(run, expect):
    """The counters: any, none, required (donations) or a list of names."""
    rule = expect.get("donations") or ""
    if rule == "any":
        return []
    if run.stats is None or "donations" not in run.stats:
        return ["no proxy counters at the end of the run"]
    if rule == "none":
        moved = [f"{name} {value}" for name, value in run.stats.items()
                 if value]
        if moved:
            return ["proxy events in a run without them: " +
                    ", ".join(moved)]
        return []
    if rule == "required":
        rule = "donations"
    problems = []
    for name in rule.split(","):
        if name[:1] == "!":
            if run.stats.get(name[1:], 0):
                problems.append(f"{name[1:]} {run.stats[name[1:]]}: not in "
                                f"this run")
        elif name not in run.stats:
            problems.append(f"expect: donations={expect.get('donations')}: "
                            f"neither required, none, any nor counters")
        elif not run.stats[name]:
            problems.append("no proxy event: proxy execution was on, and "
                            f"nothing happened ({name} 0)")
    return problems


def judge_end(run, files, expect):
    """How the guest ended, from QEMU's and from its own point of view."""
    qemu_rc, console = files.get("qemu.rc"), files.get("console")
    where = ""
    for prog in run.programs:
        if prog.rc is None:
            where = f", in {prog.name}"
    if qemu_rc is None or not qemu_rc.strip():
        return ["QEMU's exit status is missing"]
    qemu_rc = qemu_rc.strip()
    if qemu_rc == "interrupted":
        return ["interrupted" + where]
    if qemu_rc in ("124", "137"):
        last = (files.get("last") or console or "").strip()
        cpus = [line for line in (files.get("registers") or "").split("\n")
                if line.startswith("CPU ")]
        return ["; ".join([
            f"timeout: the guest still ran after {expect.get('timeout', '?')} "
            f"s{where}; last on the console: "
            f"{last.rsplit(chr(10), 1)[-1].strip() or 'nothing'}"] + cpus)]
    if qemu_rc == "0":
        how = ("panicked" if console and "Kernel panic" in console
               else "rebooted or panicked")
        return [f"the guest {how}{where}"]
    problems = []
    if not run.began:
        problems.append("the guest's first line on the results port is "
                        "missing")
    if run.end_rc is None:
        problems.append("end marker missing" + where)
        if qemu_rc != "3":
            problems.append(f"QEMU ended with status {qemu_rc}")
        return problems
    if qemu_rc != str(2 * (min(run.end_rc, 60) + 1) + 1):
        problems.append(f"QEMU ended with status {qemu_rc}, the guest's job "
                        f"with {run.end_rc}")
    return problems


def judge_taint(run):
    if run.tainted is None:
        return ["the guest did not say whether it is tainted"]
    bad = run.tainted & ~TAINT_ALLOWED
    if bad:
        names = [TAINT_NAMES.get(bit, f"bit {bit}") for bit in range(32)
                 if bad >> bit & 1]
        return [f"kernel tainted: {', '.join(names)}"]
    return []


def judge_programs(run, expect, counts):
    problems = []
    for prog in run.programs:
        problems += judge_program(prog, expect, counts)
    ran = {prog.name for prog in run.programs}
    for name in expect.get("programs", "").split():
        if name not in ran:
            problems.append(f"{name}: did not run")
    return problems


def judge(files, directory=None):
    """files: name to text or None. Returns (problems, counts, run)."""
    counts = Counts()
    expect = parse_expect(files.get("expect") or "")
    console = files.get("console")
    if files.get("results") is None:
        run = Run("")
        problems = ["no results file"]
    else:
        run = Run(files["results"])
        problems = []
    problems += judge_end(run, files, expect)
    # How it ended explains what is missing, so the rest is about a guest
    # that got to its end.
    ended = run.end_rc is not None
    if console and files.get("last") is not None:
        # The rest is what was asked of a guest that hung, see dev/guest/guard.py.
        console = re.split(r"^.*\bsysrq: ", console, maxsplit=1, flags=re.M)[0]
    problems += judge_console(console) if ended or console is None else [
        p for p in judge_console(console) if "incomplete" not in p]
    if ended or run.config_dump is not None:
        problems += judge_config(run, files.get("requested"), directory)
    if ended:
        problems += judge_proxy(run, expect)
        problems += judge_taint(run)
    problems += judge_programs(run, expect, counts)
    if ended and run.end_rc != 0 and not problems:
        problems.append(f"the guest's job exited with status {run.end_rc}")
    counts.failed = len(problems)
    if not problems:
        counts.passed += 1
    return problems, counts, run


FILES = ("expect", "console", "results", "qemu.rc", "requested", "last",
         "registers")


def main():
    args = sys.argv[1:]
    if len(args) != 1 or args[0].startswith("-"):
        print("usage: dev/guest/verdict.py DIR", file=sys.stderr)
        return 2
    directory = args[0]
    if not os.path.isdir(directory):
        print(f"verdict: no results directory {directory}", file=sys.stderr)
        return 2
    files = {name: read(os.path.join(directory, name)) for name in FILES}
    problems, counts, run = judge(files, directory)
    name = parse_expect(files["expect"] or "").get("name", "run")
    lines = [f"FAIL {name}: {problem}" for problem in problems]
    lines.append(f"{name}: {counts.text()}")
    with open(os.path.join(directory, "verdict"), "w") as f:
        f.write("\n".join(lines) + "\n")
    with open(os.path.join(directory, "verdict.json"), "w") as f:
        json.dump({"name": name, "problems": problems,
                   "passed": counts.passed, "failed": counts.failed,
                   "skipped": counts.skipped, "end_rc": run.end_rc,
                   "stats": run.stats}, f, indent=1)
        f.write("\n")
    with open(os.path.join(directory, "excused"), "w") as f:
        f.writelines(e.key + "\n" for e in KNOWN_RACES.all if e.used)
    print("\n".join(lines))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
