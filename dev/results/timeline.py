#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Draw who ran, on whose behalf, and who waited for whom.

    dev/results/timeline.py [-o PREFIX] [--title TEXT] TRACE [TRACE]

Reads traces of the events sched_proxy:*, sched:sched_switch,
sched:sched_waking and lock:contention_begin and _end: the text of tracefs or of
`perf script', or a trace.dat, by way of `trace-cmd report'. Nothing else is
needed, so a trace of another machine will do, also one of a kernel without
proxy execution. Two traces, without and with it, are drawn one above the other.

Writes PREFIX.svg, PREFIX.json (or PREFIX-1.json, PREFIX-2.json) to open with
ui.perfetto.dev, PREFIX.txt; prints the waits. What is drawn is the longest wait
for a lock and what belongs to it:

    --wait COMM|PID   the longest wait of this task
    --from MS --to MS the part of the trace to draw, counted from its start
    --all             all of the trace
    --label A,B       what the panels are called
"""
import collections
import gzip
import html
import json
import re
import subprocess

import common

# --- events ------------------------------------------------------------------

LINE = re.compile(
    r"^\s*(?P<comm>.*?)(?:-|\s+)(?:\d+/)?(?P<pid>\d+)\s+(?:\(\s*[-\d]+\)\s+)?"
    r"\[(?P<cpu>\d+)\]\s+(?:(?P<flags>[^\s\d]\S{3,4}|\S*[.NnpHhsBbDd]\S{2,4})"
    r"\s+)?(?P<ts>\d+\.\d+):\s+(?:(?P<system>\w+):)?(?P<name>\w+):\s*"
    r"(?P<args>.*)$")
KEY = re.compile(r"(?:^| )(\w+)=")
LOST = re.compile(r"LOST (\d+) EVENTS|\[(\d+) EVENTS DROPPED\]")

WANTED = ("sched_switch", "sched_waking", "contention_begin",
          "contention_end")

Event = collections.namedtuple("Event", "ts cpu comm pid irq name args")


def arguments(text):
    """key=value pairs; a value can hold spaces, a command name does."""
    found = list(KEY.finditer(text))
    args = {}
    for i, match in enumerate(found):
        end = found[i + 1].start() if i + 1 < len(found) else len(text)
        value = text[match.end():end].strip()
        args[match.group(1)] = value[:-4] if value.endswith(" ==>") else value
    return args


def parse(lines):
    """(events in the order of time, number of events that were lost)"""
    events = []
    lost = 0
    for line in lines:
        match = LINE.match(line)
        if not match:
            match = LOST.search(line)
            if match:
                lost += int(match.group(1) or match.group(2))
            continue
        name = match["name"]
        if name not in WANTED and not name.startswith("sched_proxy_"):
            continue
        if name.startswith("contention_"):
            lock, _, rest = match["args"].partition(" ")
            args = {"lock": lock, **arguments(rest.strip("()"))}
        else:
            args = arguments(match["args"])
        flags = match["flags"] or ""
        events.append(Event(float(match["ts"]) * 1e3, int(match["cpu"]),
                            match["comm"].strip(), int(match["pid"]),
                            any(c in flags[2:3] for c in "hHsZz"), name, args))
    events.sort(key=lambda event: event.ts)
    return events, lost


def read(path):
    """The lines of a trace, of whatever kind the file is"""
    with open(path, "rb") as file:
        head = file.read(10)
    if head[:3] == b"\x17\x08\x44":
        # -N: without the plugins, that is in the words of the kernel
        text = subprocess.run(["trace-cmd", "report", "-N", path], check=True,
                              stdout=subprocess.PIPE).stdout.decode("utf-8",
                                                                    "replace")
        return text.splitlines()
    opener = gzip.open if head[:2] == b"\x1f\x8b" else open
    with opener(path, "rt", errors="replace") as file:
        return file.read().splitlines()


# --- what the events say -----------------------------------------------------

class Span:
    """Something from t0 to t1; what it is about is in the other fields."""

    def __init__(self, t0, **fields):
        self.t0 = t0
        self.t1 = None
        self.__dict__.update(fields)

    def overlap(self, t0, t1):
        return max(0.0, min(self.t1, t1) - max(self.t0, t0))


class Timeline:
    """runs: who runs on each CPU, and on whose behalf
    states: what each task does
    waits: of a task that sleeps for a lock, and whom it waits for
    marks: everything that happened at one point of time
    """

    def __init__(self, events, lost=0):
        self.lost = lost
        self.events = events
        self.comm = {0: "idle"}
        self.runs = []
        self.states = []
        self.waits = []
        self.marks = []
        self.counts = collections.Counter(event.name for event in events)
        self.start = events[0].ts if events else 0.0
        self.end = events[-1].ts if events else 0.0
        self._run = {}		# CPU: the open span
        self._lent = {}		# CPU: donation for the next switch
        self._state = {}	# task: the open span
        self._wait = {}		# task: the open span
        self._waker = {}	# task: who woke it last, and when
        for event in events:
            self._name(event)
            handler = getattr(self, "_on_" + event.name, None)
            if handler:
                handler(event, event.args)
        for span in (*self._run.values(), *self._state.values(),
                     *self._wait.values()):
            span.t1 = self.end
            span.open = True
        self.runs += self._run.values()
        self.states += self._state.values()
        self.waits += self._wait.values()
        for wait in self.waits:
            self._guess_owner(wait)
        self.waits = [wait for wait in self.waits if wait.slept]
        self.waits.sort(key=lambda wait: wait.t0)
        self._place_ready()
        self.by_task = collections.defaultdict(list)
        for run in self.runs:
            self.by_task[run.pid].append(run)

    def _name(self, event):
        args = event.args
        if event.pid and event.comm not in ("", "<...>"):
            self.comm[event.pid] = event.comm
        for comm, pid in (("comm", "pid"), ("owner_comm", "owner_pid"),
                          ("to_comm", "to_pid"), ("next_comm", "next_pid"),
                          ("prev_comm", "prev_pid")):
            number = int(args.get(pid, 0) or 0)
            if number and args.get(comm):
                self.comm[number] = args[comm]

    def task(self, pid):
        return f"{self.comm.get(pid, '?')}/{pid}" if pid else "idle"

    def _mark(self, event, what, pid, **fields):
        self.marks.append(Span(event.ts, what=what, pid=pid, cpu=event.cpu,
                               **fields))

    # --- who runs

    def _set_run(self, ts, cpu, pid, donor=0, waiter=0, lock=None, depth=0):
        span = self._run.get(cpu)
        if span:
            if (span.pid, span.donor, span.waiter) == (pid, donor, waiter):
                return
            span.t1 = ts
            self.runs.append(span)
        self._run[cpu] = Span(ts, cpu=cpu, pid=pid, donor=donor, waiter=waiter,
                              lock=lock, depth=depth, open=False)

    def _on_sched_switch(self, event, args):
        prev, next_pid = int(args["prev_pid"]), int(args["next_pid"])
        if event.cpu not in self._run:
            self._set_run(self.start, event.cpu, prev)
        lent = self._lent.pop(event.cpu, None)
        if lent and lent[0] == next_pid:
            self._set_run(event.ts, event.cpu, *lent)
        else:
            self._set_run(event.ts, event.cpu, next_pid)
        if prev:
            if args.get("prev_state", "S")[0] == "R":
                self._set_state(event.ts, prev, "ready", event.cpu)
            else:
                self._sleep(event.ts, prev)
        if next_pid:
            self._set_state(event.ts, next_pid, "run", event.cpu)
            wait = self._wait.get(next_pid)
            # Without lock events this is how a wait ends.
            if wait and not wait.contended and wait.slept:
                self._end_wait(event.ts, next_pid)

    def _on_sched_proxy_donate(self, event, args):
        lent = (int(args["owner_pid"]), int(args["pid"]),
                int(args["waiter_pid"]), args["lock"], int(args["depth"]))
        run = self._run.get(event.cpu)
        if run and run.pid == lent[0]:
            self._set_run(event.ts, event.cpu, *lent)
        self._lent[event.cpu] = lent
        self._owned_by(int(args["waiter_pid"]), lent[0], event.ts)
        self._mark(event, "donate", int(args["pid"]), other=lent[0],
                   lock=args["lock"], depth=lent[4])

    def _on_sched_proxy_end(self, event, args):
        cpu = int(args["target_cpu"])
        self._lent.pop(cpu, None)
        run = self._run.get(cpu)
        if run and run.donor:
            self._set_run(event.ts, cpu, run.pid)

    # --- what a task does

    def _set_state(self, ts, pid, what, cpu=None):
        span = self._state.get(pid)
        if span:
            if span.what == what and span.cpu == cpu:
                return
            span.t1 = ts
            self.states.append(span)
        self._state[pid] = Span(ts, pid=pid, what=what, cpu=cpu, open=False)

    def _sleep(self, ts, pid):
        wait = self._wait.get(pid)
        if not wait:
            self._set_state(ts, pid, "sleep")
            return
        wait.slept = True
        self._set_state(ts, pid, wait.where or "asleep", wait.cpu)

    def _where(self, event, what, cpu=None):
        """A task that waits for a lock is now queued, parked, on its way..."""
        pid = int(event.args["pid"])
        wait = self._wait.get(pid)
        if not wait:
            wait = self._begin_wait(event.ts, pid, event.args.get("lock"))
        wait.where, wait.cpu = what, cpu
        owner = int(event.args.get("owner_pid", 0) or 0)
        if owner:
            self._owned_by(pid, owner, event.ts)
        state = self._state.get(pid)
        if state and state.what not in ("run", "ready"):
            self._set_state(event.ts, pid, what, cpu)
        self._mark(event, event.name[len("sched_proxy_"):], pid, other=owner,
                   lock=event.args.get("lock"),
                   why=event.args.get("why") or event.args.get("reason"))

    def _on_sched_proxy_block(self, event, args):
        self._where(event, None)

    def _on_sched_proxy_keep(self, event, _):
        self._where(event, "queued", event.cpu)

    def _on_sched_proxy_leave(self, event, _):
        self._where(event, "away")

    def _on_sched_proxy_park(self, event, _):
        self._where(event, "parked")

    def _on_sched_proxy_inject(self, event, args):
        self._where(event, "queued", int(args["target_cpu"]))

    def _on_sched_proxy_degrade(self, event, args):
        if args["reason"] != "placed_anew":
            self._where(event, "asleep")

    def _on_sched_proxy_unblock(self, event, args):
        self._mark(event, "unblock", int(args["pid"]), other=0,
                   why=args["why"])

    def _on_sched_proxy_migrate(self, event, args):
        self._mark(event, "migrate", int(args["pid"]), other=0,
                   why=f"{args['orig_cpu']} to {args['dest_cpu']}")

    def _on_sched_proxy_return(self, event, args):
        self._mark(event, "return", int(args["pid"]), other=0,
                   why=f"{args['orig_cpu']} to {args['dest_cpu']}")

    def _on_sched_proxy_cycle(self, event, args):
        self._mark(event, "cycle", int(args["pid"]),
                   other=int(args["owner_pid"]), lock=args["lock"])

    def _on_sched_waking(self, event, args):
        pid = int(args["pid"])
        state = self._state.get(pid)
        if state and state.what == "run":
            return
        self._waker[pid] = (0 if event.irq else event.pid, event.ts)
        self._set_state(event.ts, pid, "ready")

    # --- who waits for whom

    def _begin_wait(self, ts, pid, lock, contended=False):
        wait = self._wait.get(pid)
        if wait and lock in (None, wait.lock, "0000000000000000"):
            return wait
        if wait:
            self._end_wait(ts, pid)
        self._wait[pid] = Span(ts, pid=pid, lock=lock, owners=[], where=None,
                               cpu=None, slept=False, contended=contended,
                               guessed=False, handoff=None, open=False)
        return self._wait[pid]

    def _end_wait(self, ts, pid):
        wait = self._wait.pop(pid)
        wait.t1 = ts
        wait.waker = self._waker.get(pid)
        self.waits.append(wait)

    def _on_contention_begin(self, event, args):
        if event.pid:
            # Spins first, and begins again when it goes to sleep
            self._begin_wait(event.ts, event.pid, args["lock"], True)

    def _on_contention_end(self, event, args):
        wait = self._wait.get(event.pid)
        if wait:
            self._end_wait(event.ts, event.pid)

    def _owned_by(self, pid, owner, ts):
        wait = self._wait.get(pid)
        if wait and owner != pid and (not wait.owners or
                                      wait.owners[-1][1] != owner):
            wait.owners.append((ts if wait.owners else wait.t0, owner))

    def _on_sched_proxy_pass(self, event, args):
        for pid, wait in self._wait.items():
            if wait.lock == args["lock"] and wait.where == "parked":
                self._owned_by(pid, int(args["to_pid"]), event.ts)
        self._mark(event, "pass", int(args["to_pid"]),
                   other=int(args["from_pid"]), lock=args["lock"])

    def _on_sched_proxy_handoff(self, event, args):
        wait = self._wait.get(int(args["to_pid"]))
        if wait:
            wait.handoff = event.ts
        self._mark(event, "handoff", int(args["to_pid"]),
                   other=int(args["from_pid"]), lock=args["lock"])

    def _guess_owner(self, wait):
        """Whoever woke it has released the lock."""
        waker = getattr(wait, "waker", None)
        wait.wake = waker[1] if waker and waker[1] >= wait.t0 else None
        if wait.owners or not wait.wake or not waker[0]:
            return
        wait.owners = [(wait.t0, waker[0])]
        wait.guessed = True

    def _place_ready(self):
        """A wakeup does not tell for sure where the task will run."""
        after = {}
        for state in sorted(self.states, key=lambda state: -state.t0):
            if state.what == "ready" and state.cpu is None:
                state.cpu = after.get(state.pid)
            elif state.what == "run":
                after[state.pid] = state.cpu

    # --- figures

    def owners(self, wait, seen=None):
        """All that this wait lasts for, by way of other waits: pid to t0, t1"""
        found = {} if seen is None else seen
        for i, (ts, pid) in enumerate(wait.owners):
            until = (wait.owners[i + 1][0] if i + 1 < len(wait.owners)
                     else wait.wake or wait.t1)
            if pid in found or pid == wait.pid:
                continue
            found[pid] = (ts, until)
            for other in self.waits:
                if other.pid == pid and other.t0 < until and other.t1 > ts:
                    self.owners(other, found)
        return found

    def busy(self, pid, t0, t1, lent=None):
        """How long it ran; if @lent: on the time of others, or of its own"""
        return sum(run.overlap(t0, t1) for run in self.by_task[pid]
                   if lent is None or bool(run.donor) == lent)

    def needed(self, wait):
        """How long an owner ran while @wait lasted, and how long it slept, other
        than for a lock: what cannot be helped"""
        ran, slept = [], []
        for pid in self.owners(wait):
            ran += [run for run in self.by_task[pid]]
            slept += [state for state in self.states
                      if state.pid == pid and state.what == "sleep"]
        return (self._union(ran, wait),
                self._union(ran + slept, wait) - self._union(ran, wait))

    @staticmethod
    def _union(spans, wait):
        total, last = 0.0, wait.t0
        for t0, t1 in sorted((span.t0, min(span.t1, wait.t1))
                             for span in spans):
            total += max(0.0, t1 - max(t0, last))
            last = max(last, t1)
        return total


# --- what to draw ------------------------------------------------------------

def ms(value):
    """A time for people: three digits or so"""
    for limit, digits in ((0.1, 3), (10, 2), (100, 1)):
        if abs(value) < limit:
            return f"{value:.{digits}f}"
    return f"{value:.0f}"


class View:
    """What of a timeline belongs to one wait"""

    HOGS = 4
    WAITERS = 5

    def __init__(self, line, label="", wait=None, window=None):
        self.line, self.label, self.wait = line, label, wait
        if window:
            self.t0, self.t1 = window
            self.origin = line.start
        elif wait:
            length = wait.t1 - wait.t0
            self.t0 = max(line.start, wait.t0 - 0.06 * length)
            self.t1 = min(line.end, wait.t1 + 0.06 * length)
            self.origin = wait.t0
        else:
            self.t0, self.t1, self.origin = line.start, line.end, line.start
        self.cast(self.t0, self.t1)

    def cast(self, t0, t1):
        """Who is in the picture of what happens from @t0 to @t1"""
        line = self.line
        waits = [wait for wait in line.waits
                 if wait.t0 < self.t1 and wait.t1 > self.t0]
        self.owners = list(line.owners(self.wait)) if self.wait else []
        if not self.wait:
            for wait in waits:
                self.owners += [pid for pid in line.owners(wait)
                                if pid not in self.owners]
        first = [self.wait.pid] if self.wait else []
        others = sorted((wait for wait in waits
                         if wait.pid not in first + self.owners and
                         (not self.wait or set(line.owners(wait)) &
                          set(self.owners))),
                        key=lambda wait: wait.t0 - wait.t1)
        for wait in others:
            if wait.pid not in first and len(first) < self.WAITERS:
                first.append(wait.pid)
        # A chain from its far end to whom it all depends on
        self.tasks = (first[:1] + [pid for pid in first[1:]
                                   if pid not in self.owners] +
                      [pid for pid in self.owners if pid not in first[:1]])
        self.waits = [wait for wait in waits if wait.pid in self.tasks]
        # Where they ran or wanted to, and who ran there instead
        span = ((self.wait.t0, self.wait.t1) if self.wait else
                (self.t0, self.t1))
        cpus = {state.cpu for state in line.states
                if state.pid in self.tasks and state.cpu is not None and
                state.overlap(*span) > 0}
        busy = collections.Counter()
        for run in line.runs:
            if run.pid and run.pid not in self.tasks and run.cpu in cpus:
                busy[run.pid] += run.overlap(t0, t1)
        for state in line.states:
            if state.pid in self.owners and state.what == "ready":
                for run in line.runs:
                    if run.cpu == state.cpu and run.pid in busy:
                        busy[run.pid] += 10 * run.overlap(
                            max(state.t0, t0), min(state.t1, t1))
        self.hogs = sorted(pid for pid, time in busy.most_common(self.HOGS)
                           if time > 0.02 * (self.t1 - self.t0))
        self.cpus = sorted(cpus)

    def headline(self):
        line, wait = self.line, self.wait
        if not wait:
            return ""
        ran, slept = line.needed(wait)
        text = (f"{line.comm.get(wait.pid, wait.pid)} waited "
                f"{ms(wait.t1 - wait.t0)} ms for a lock")
        if wait.open:
            return text + " and has not got it"
        if not self.owners:
            return text + "; nothing tells who owned it"
        names = " and ".join(dict.fromkeys(line.comm.get(pid, str(pid))
                                           for pid in self.owners))
        text += f", while {names} needed {ms(ran)} ms of CPU time"
        if slept > .01 * ran:
            text += f" and slept {ms(slept)} ms"
        if ran > 0:
            times = (wait.t1 - wait.t0) / (ran + slept)
            text += f": {times:.{2 if times < 10 else 0}f} times as long"
        return text


def longest(line, who=None):
    waits = [wait for wait in line.waits
             if who in (None, str(wait.pid), line.comm.get(wait.pid))]
    # The end of a chain, not one of its links
    links = {pid for wait in waits for pid in line.owners(wait)
             for other in line.waits if other.pid == pid and
             other.overlap(wait.t0, wait.t1) > 0 and
             other.t1 - other.t0 < 4 * (wait.t1 - wait.t0)}
    waits = [wait for wait in waits if wait.pid not in links] or waits
    return max(waits, key=lambda wait: wait.t1 - wait.t0, default=None)


# --- SVG ---------------------------------------------------------------------

STYLE = """
.tl{font:11px 'DejaVu Sans','Segoe UI',Helvetica,Arial,sans-serif}
.tl .bg{fill:#fff}.tl text{fill:#212529}.tl .dim{fill:#6c757d}
.tl .h1{font-size:16px;font-weight:bold}.tl .h2{font-size:13px;font-weight:bold}
.tl .h3{font-size:12px}.tl .in{fill:#fff}.tl .dark{fill:#212529}
.tl .grid{stroke:#dee2e6;stroke-width:1}.tl .lane{fill:#f8f9fa}
.tl .w{fill:#e8590c}.tl .o0{fill:#1c7ed6}.tl .o1{fill:#7048e8}
.tl .o2{fill:#0c8599}.tl .o3{fill:#2b8a3e}.tl .w1{fill:#f08c00}
.tl .g0{fill:#adb5bd}.tl .g1{fill:#ced4da}.tl .g2{fill:#bac3cc}
.tl .g3{fill:#dbe0e5}.tl .other{fill:#e9ecef}
.tl .asleep{fill:#ffd8a8}.tl .parked{fill:#ffe8a3}.tl .away{fill:#ffc9c9}
.tl .queued{fill:#b2f2bb}.tl .ready{fill:#fff;stroke:#c92a2a;stroke-width:1.4}
.tl .zoom{fill:#868e96;fill-opacity:.15}
.tl .arrow{fill:none;stroke:#c92a2a;stroke-width:1.3}
.tl .give{fill:none;stroke:#2b8a3e;stroke-width:1.6}
.tl .tip{fill:#c92a2a}.tl .tipg{fill:#2b8a3e}
.tl .bad{fill:#c92a2a;font-weight:bold}.tl .good{fill:#2b8a3e;font-weight:bold}
"""
DARK = """
.tl .bg{fill:#16191d}.tl text{fill:#e9ecef}.tl .dim{fill:#adb5bd}
.tl .in{fill:#fff}.tl .dark{fill:#212529}.tl .grid{stroke:#373d44}
.tl .lane{fill:#1e2227}.tl .g0{fill:#ced4da}.tl .g1{fill:#9aa2aa}
.tl .g2{fill:#b4bbc2}.tl .g3{fill:#868e96}.tl .other{fill:#343a40}
.tl .ready{fill:#16191d;stroke:#ff8787}.tl .arrow{stroke:#ff8787}
.tl .tip{fill:#ff8787}.tl .bad{fill:#ff8787}.tl .give{stroke:#69db7c}
.tl .tipg{fill:#69db7c}.tl .good{fill:#69db7c}
"""

WIDTH, LEFT, RIGHT = 1240, 150, 20
CPU_H, TASK_H, GAP = 30, 22, 4
BETWEEN = 14	# task lanes, room for an arrow

STATE_TEXT = {
    "ready": "wants a CPU", "asleep": "asleep", "parked": "parked",
    "queued": "queued for its owner", "away": "on its way", "run": "runs",
}


def ticks(t0, t1, most=10):
    """Round steps"""
    step = 1e-3
    while (t1 - t0) / step > most:
        step *= 2.5 if f"{step:.0e}"[0] == "2" else 2
    value = -(-t0 // step) * step
    while value <= t1:
        yield value, step
        value += step


class Svg:
    def __init__(self):
        self.parts = []
        self.y = 0

    def add(self, text):
        self.parts.append(text)

    def text(self, x, y, words, cls="", anchor=""):
        attrs = f' class="{cls}"' if cls else ""
        attrs += f' text-anchor="{anchor}"' if anchor else ""
        self.add(f'<text x="{x:.1f}" y="{y:.1f}"{attrs}>'
                 f"{html.escape(words)}</text>")

    def rect(self, x, y, width, height, cls, tip=""):
        tip = f"<title>{html.escape(tip)}</title>" if tip else ""
        self.add(f'<rect x="{x:.2f}" y="{y:.1f}" width="{max(width, .4):.2f}" '
                 f'height="{height}" class="{cls}"'
                 + (f">{tip}</rect>" if tip else "/>"))

    def done(self, inline=False):
        body = "\n".join(self.parts)
        dark = f"@media (prefers-color-scheme:dark){{{DARK}}}"
        return (f'<svg xmlns="http://www.w3.org/2000/svg" class="tl" '
                f'viewBox="0 0 {WIDTH} {self.y}" width="{WIDTH}" '
                f'height="{self.y}" role="img">\n<style>{STYLE}'
                f'{dark}</style>\n'
                f'<rect class="bg" width="{WIDTH}" height="{self.y}"/>\n'
                f"{body}\n</svg>\n")


def fits(words, width):
    """As much of a label as there is room for, and as makes sense"""
    short = words.split(" ")[0]
    for some in (words, "" if short == "wants" else short):
        if len(some) * 6.6 + 6 <= width:
            return some
    return ""


class Panel:
    def __init__(self, svg, view, t0, t1, greys):
        self.svg, self.view, self.line = svg, view, view.line
        self.t0, self.t1 = t0, t1
        self.scale = (WIDTH - LEFT - RIGHT) / (t1 - t0)
        self.classes = {}
        for i, pid in enumerate(reversed(view.owners)):
            self.classes[pid] = f"o{i % 4}"
        for pid in view.tasks:
            self.classes.setdefault(
                pid, "w" if view.wait and pid == view.wait.pid else "w1")
        names = collections.Counter(self.line.comm.get(pid) for pid in
                                    view.tasks + view.hogs)
        self.twice = {name for name, count in names.items() if count > 1}
        # The same name is of the same grey in all panels.
        for pid in view.hogs:
            grey = greys.setdefault(self.name(pid), len(greys))
            self.classes[pid] = f"g{grey % 4}"

    def name(self, pid):
        """As short as it can be told from the others by"""
        comm = self.line.comm.get(pid, "?")
        return self.line.task(pid) if comm in self.twice else comm

    def x(self, t):
        return LEFT + (min(max(t, self.t0), self.t1) - self.t0) * self.scale

    def draw(self, title, headline, cls):
        svg, view = self.svg, self.view
        svg.y += 30
        svg.text(10, svg.y, title, "h2")
        if headline:
            svg.text(10, svg.y + 18, headline, "h3 " + cls)
            svg.y += 18
        svg.y += 10
        top = svg.y
        lanes = []
        for cpu in view.cpus:
            lanes.append((svg.y, CPU_H, f"CPU {cpu}", cpu))
            svg.y += CPU_H + GAP
        svg.y += 8
        self.lane_of = {}
        for pid in view.tasks:
            lanes.append((svg.y, TASK_H, self.line.task(pid), None))
            self.lane_of[pid] = svg.y
            svg.y += TASK_H + BETWEEN
        bottom = svg.y - BETWEEN + 4
        for y, height, words, _ in lanes:
            svg.rect(LEFT, y, WIDTH - LEFT - RIGHT, height, "lane")
            svg.text(LEFT - 8, y + height / 2 + 4, words, "", "end")
        for t, step in ticks(self.t0 - view.origin, self.t1 - view.origin):
            x = self.x(t + view.origin)
            svg.add(f'<line class="grid" x1="{x:.1f}" y1="{top}" '
                    f'x2="{x:.1f}" y2="{bottom}"/>')
            digits = 0 if step >= 1 else 1 if step >= .1 else 3
            svg.text(x, bottom + 12, "0 ms" if abs(t) < step / 2 else
                     f"{t:.{digits}f}", "dim", "middle")
        for y, _, _, cpu in lanes:
            if cpu is not None:
                self.draw_cpu(y, cpu)
        for pid, y in self.lane_of.items():
            self.draw_task(y, pid)
        self.draw_arrows()
        svg.y = bottom + 20

    def draw_cpu(self, y, cpu):
        line = self.line
        last = None		# right edge and class of what was drawn
        for run in sorted((run for run in line.runs if run.cpu == cpu),
                          key=lambda run: run.t0):
            if not run.pid or run.t1 <= self.t0 or run.t0 >= self.t1:
                continue
            x, width = self.x(run.t0), self.x(run.t1) - self.x(run.t0)
            cls = self.classes.get(run.pid, "other")
            # Too narrow to be seen beside what is there already
            if width < .35 and cls == "other" and last and x - last < .7:
                continue
            last = x + width
            words = self.name(run.pid)
            tip = (f"{line.task(run.pid)}, {ms(run.t1 - run.t0)} ms from "
                   f"{ms(run.t0 - self.view.origin)} ms")
            if run.donor:
                donor = self.name(run.donor)
                tip = (f"{line.task(run.pid)} on the time of "
                       f"{line.task(run.donor)}, {ms(run.t1 - run.t0)} ms "
                       f"from {ms(run.t0 - self.view.origin)} ms")
                words += f" for {donor}"
                self.svg.rect(x, y, width, CPU_H - 9, cls, tip)
                self.svg.rect(x, y + CPU_H - 9, width, 9,
                              self.classes.get(run.donor, "w1"), tip)
            else:
                self.svg.rect(x, y, width, CPU_H, cls, tip)
            label = fits(words, width)
            if label:
                self.svg.text(x + 4, y + (14 if run.donor else 19), label,
                              "in" if cls[0] in "ow" and cls != "other"
                              else "dark" if cls != "other" else "")

    def draw_task(self, y, pid):
        line, last = self.line, None
        for state in sorted((state for state in line.states
                             if state.pid == pid), key=lambda s: s.t0):
            if state.t1 <= self.t0 or state.t0 >= self.t1:
                continue
            what = state.what
            if what == "sleep":
                continue
            x, width = self.x(state.t0), self.x(state.t1) - self.x(state.t0)
            words = STATE_TEXT.get(what, what)
            if what == "queued" and state.cpu is not None:
                words += f" on CPU {state.cpu}"
            if what == "run":
                words = f"runs on CPU {state.cpu}"
            if what == "ready":
                words += self.instead(state)
            tip = (f"{line.task(pid)}: {words}, {ms(state.t1 - state.t0)} ms "
                   f"from {ms(state.t0 - self.view.origin)} ms")
            cls = self.classes[pid] if what == "run" else what
            if len(words) * 6.6 > width:
                words = words.split(":")[0]
            self.svg.rect(x, y, width, TASK_H, cls, tip)
            label = fits(words, width)
            if label and (last is None or x - last > 2 or width > 60):
                self.svg.text(x + 4, y + 15, label,
                              "in" if what == "run" else
                              "" if what == "ready" else "dark")
            last = x + width

    def instead(self, state):
        """Who runs while a task wants to"""
        names = [self.name(pid) for pid in self.view.hogs
                 if sum(run.overlap(state.t0, state.t1)
                        for run in self.line.by_task[pid]
                        if run.cpu == state.cpu) > .1 * (state.t1 - state.t0)]
        if state.cpu is None or state.t1 - state.t0 < 1:
            return ""
        busy = sum(run.overlap(state.t0, state.t1) for run in self.line.runs
                   if run.cpu == state.cpu and run.pid)
        if not names and busy < .2 * (state.t1 - state.t0):
            return f": CPU {state.cpu} is idle, out of bandwidth"
        runs = "runs" if len(names) == 1 else "run"
        return f": {' and '.join(names)} {runs} instead" if names else ""

    def draw_arrows(self):
        """From who waits to whom it waits for, and back when it gets it"""
        for wait in self.view.waits:
            y = self.lane_of.get(wait.pid)
            shown = [(ts, pid) for ts, pid in wait.owners
                     if pid in self.lane_of]
            if y is None or wait.t1 <= self.t0 or wait.t0 >= self.t1:
                continue
            for i, (ts, pid) in enumerate(shown):
                if ts < self.t0 or (i and i < len(shown) - 2):
                    continue
                self.arrow(self.x(ts), y, self.lane_of[pid], "arrow", "tip")
            until = wait.handoff or wait.wake or wait.t1
            if shown and self.t0 < until < self.t1 and not wait.open:
                self.arrow(self.x(until), self.lane_of[shown[-1][1]], y,
                           "give", "tipg")

    def arrow(self, x, y0, y1, cls, tip):
        down = y1 > y0
        y0 += TASK_H if down else 0
        y1 += -1 if down else TASK_H + 1
        self.svg.add(f'<path class="{cls}" d="M{x:.1f} {y0:.1f}'
                     f'V{y1 - 6 if down else y1 + 6:.1f}"/>')
        self.svg.add(f'<path class="{tip}" d="M{x:.1f} {y1:.1f}l-4 '
                     f'{-7 if down else 7}h8z"/>')


LEGEND = (
    ("both", "an owner runs on a waiter's time"),
    ("ready", "wants a CPU"), ("asleep", "sleeps for a lock"),
    ("parked", "parked on an owner that needs no help now"),
    ("queued", "queued for its owner"),
)


def legend(svg, panels):
    names = {panel.name(pid): cls for panel in panels
             for pid, cls in panel.classes.items()}
    svg.y += 14
    x = 10
    # Who waits, who owns, from the waiter on, and then the others
    for words, cls in (
            sorted((item for item in names.items() if item[1][0] == "w"),
                   key=lambda item: item[1]) +
            sorted((item for item in names.items() if item[1][0] == "o"),
                   key=lambda item: item[1], reverse=True) +
            sorted((item for item in names.items() if item[1][0] == "g"),
                   key=lambda item: item[1])):
        if x + 27 + len(words) * 7 > WIDTH:
            svg.y += 20
            x = 10
        svg.rect(x, svg.y, 22, 13, cls)
        svg.text(x + 27, svg.y + 11, words)
        x += 27 + len(words) * 7 + 12
    svg.y += 22
    x = 10
    for cls, words in LEGEND:
        if cls == "both":
            svg.rect(x, svg.y, 22, 8, "o0")
            svg.rect(x, svg.y + 8, 22, 5, "w")
        else:
            svg.rect(x, svg.y, 22, 13, cls)
        svg.text(x + 27, svg.y + 11, words)
        x += 27 + len(words) * 6.4 + 18
    svg.y += 32
    x = 10
    for cls, tip, words in (("arrow", "tip", "waits for"),
                            ("give", "tipg", "gets the lock from")):
        svg.add(f'<path class="{cls}" d="M{x} {svg.y - 5}h14"/>'
                f'<path class="{tip}" d="M{x + 21} {svg.y - 5}l-7 -4v8z"/>')
        svg.text(x + 27, svg.y - 1, words)
        x += 27 + len(words) * 6.4 + 18
    svg.text(x, svg.y - 1, "0 ms: the wait begins. Point at a bar for its "
             "times.", "dim")
    svg.y += 10


def draw(views, title):
    """One panel a view, all on one scale; what gets lost on it, again larger"""
    svg = Svg()
    if title:
        svg.y += 26
        svg.text(10, svg.y, title, "h1")
    greys, panels = {}, []
    before = max(view.origin - view.t0 for view in views)
    after = max(view.t1 - view.origin for view in views)
    for i, view in enumerate(views):
        cls = "" if len(views) < 2 else "bad" if i == 0 else "good"
        t0, t1 = view.origin - before, view.origin + after
        view.cast(t0, t1)
        panel = Panel(svg, view, t0, t1, greys)
        panels.append(panel)
        panel.draw(view.label, view.headline(), cls)
        if i and view.t1 - view.t0 < (before + after) / 3:
            svg.add(f'<path class="zoom" d="M{panel.x(view.t0):.1f} '
                    f'{svg.y - 16}H{panel.x(view.t1):.1f}L{WIDTH - RIGHT} '
                    f'{svg.y + 38}H{LEFT}z"/>')
            panel = Panel(svg, view, view.t0, view.t1, greys)
            panel.draw(f"{view.label}, enlarged", "", "")
    legend(svg, panels)
    svg.y += 6
    return svg.done()


# --- ui.perfetto.dev ---------------------------------------------------------

CPUS, TASKS = 1, 2


def perfetto(line):
    """Chrome's trace event format: tracks of CPUs and of tasks, and arrows"""
    out = []
    flow = 0

    def meta(pid, tid, name, key="thread_name", sort=None):
        out.append({"ph": "M", "pid": pid, "tid": tid, "name": key,
                    "args": {"name": name}})
        if sort is not None:
            out.append({"ph": "M", "pid": pid, "tid": tid,
                        "name": "thread_sort_index",
                        "args": {"sort_index": sort}})

    def us(t):
        return round((t - line.start) * 1e3, 3)

    def slice_(pid, tid, span, name, **args):
        out.append({"ph": "X", "pid": pid, "tid": tid, "name": name,
                    "ts": us(span.t0), "dur": round(us(span.t1) - us(span.t0),
                                                    3),
                    "args": {key: value for key, value in args.items()
                             if value}})

    def arrow(name, ts, start, end):
        nonlocal flow
        flow += 1
        for ph, tid in (("s", start), ("f", end)):
            out.append({"ph": ph, "pid": TASKS, "tid": tid, "id": flow,
                        "cat": "lock", "name": name, "ts": ts,
                        **({"bp": "e"} if ph == "f" else {})})

    meta(CPUS, 0, "CPUs", "process_name")
    meta(TASKS, 0, "Tasks", "process_name")
    for cpu in sorted({run.cpu for run in line.runs}):
        meta(CPUS, cpu + 1, f"CPU {cpu}", sort=cpu)
    for run in line.runs:
        if run.pid:
            name = line.task(run.pid)
            if run.donor:
                name += f" for {line.task(run.donor)}"
            slice_(CPUS, run.cpu + 1, run, name, lock=run.lock,
                   links=run.depth,
                   waiter=run.waiter and line.task(run.waiter))
    slept = {wait.pid for wait in line.waits}
    owners = {pid for wait in line.waits for _, pid in wait.owners}
    for i, pid in enumerate(sorted(slept | owners)):
        meta(TASKS, pid, line.task(pid), sort=i)
    for state in line.states:
        if state.pid in slept | owners and state.what != "sleep":
            slice_(TASKS, state.pid, state,
                   STATE_TEXT.get(state.what, state.what),
                   cpu=str(state.cpu) if state.cpu is not None else None)
    for wait in line.waits:
        for ts, pid in wait.owners:
            arrow("waits for", us(ts), wait.pid, pid)
        if wait.owners and not wait.open:
            arrow("gets the lock", us(wait.handoff or wait.wake or wait.t1),
                  wait.owners[-1][1], wait.pid)
    for mark in line.marks:
        if mark.pid in slept | owners:
            words = " ".join(str(word) for word in (
                mark.what, getattr(mark, "why", None) or "",
                f"({line.task(mark.other)})" if mark.other else "") if word)
            out.append({"ph": "i", "s": "t", "pid": TASKS, "tid": mark.pid,
                        "name": words, "ts": us(mark.t0)})
    return {"displayTimeUnit": "ns", "traceEvents": out}


# --- text --------------------------------------------------------------------

def text(line):
    """One line for each thing that happened or began, in the order of time"""
    rows = []
    for run in line.runs:
        if not run.pid:
            continue
        words = f"run {line.task(run.pid)}"
        if run.donor:
            words += f" for {line.task(run.donor)} lock {run.lock}"
            if run.waiter != run.donor:
                words += f" wanted by {line.task(run.waiter)}"
        rows.append((run.t0, f"cpu{run.cpu}",
                     words + f" {run.t1 - run.t0:.3f} ms"))
    for wait in line.waits:
        words = f"wait {line.task(wait.pid)} lock {wait.lock}"
        for _, pid in wait.owners:
            words += f" owner {line.task(pid)}"
        if wait.guessed:
            words += " (by who woke it)"
        rows.append((wait.t0, "-", words + f" {wait.t1 - wait.t0:.3f} ms"
                     + (" and longer" if wait.open else "")))
    for mark in line.marks:
        words = f"{mark.what} {line.task(mark.pid)}"
        if mark.other:
            words += f" {line.task(mark.other)}"
        if getattr(mark, "lock", None):
            words += f" lock {mark.lock}"
        if getattr(mark, "why", None):
            words += f" {mark.why}"
        rows.append((mark.t0, f"cpu{mark.cpu}", words))
    rows.sort(key=lambda row: row[0])
    return "".join(f"{t - line.start:12.3f} {where:6} {words}\n"
                   for t, where, words in rows)


def summary(line, most=10):
    """The longest waits, and how much of them was needed"""
    out = []
    if line.lost:
        out.append(f"{line.lost} events were lost: what is said here can be "
                   "wrong, record with a larger buffer\n")
    waits = sorted(line.waits, key=lambda wait: wait.t0 - wait.t1)
    if not waits:
        out.append("no task slept for a lock\n")
    for wait in waits[:most]:
        ran, slept = line.needed(wait)
        owners = ", ".join(line.task(pid) for pid in line.owners(wait))
        helped = sum(run.overlap(wait.t0, wait.t1) for run in line.runs
                     if run.donor == wait.pid)
        length = wait.t1 - wait.t0
        words = f"{line.task(wait.pid)} waited {length:.3f} ms"
        if owners:
            words += f" for {owners}"
            words += f", which ran {ran:.3f} ms of it"
            if slept > .01 * ran:
                words += f" and slept {slept:.3f} ms"
            if ran > 0:
                words += f", ratio {length / (ran + slept):.2f}"
        if helped > 0:
            words += f"; {helped:.3f} ms on its time"
        out.append(words + "\n")
    if len(waits) > most:
        out.append(f"and {len(waits) - most} shorter ones\n")
    return "".join(out)


def figures(view):
    """What the headline says, for machines"""
    line, wait = view.line, view.wait
    if not wait:
        return {"label": view.label}
    ran, slept = line.needed(wait)
    needed = ran + slept
    return {"label": view.label, "waiter": line.task(wait.pid),
            "wait_ms": round(wait.t1 - wait.t0, 3),
            "ran_ms": round(ran, 3), "slept_ms": round(slept, 3),
            "ratio": round((wait.t1 - wait.t0) / needed, 2) if needed else None,
            "owners": [line.task(pid) for pid in view.owners]}


def main():
    parser = common.parser(__doc__)
    parser.add_argument("trace", nargs="+")
    parser.add_argument("-o", "--out", default="timeline", metavar="PREFIX")
    parser.add_argument("--title", default="")
    parser.add_argument("--label", default="")
    parser.add_argument("--wait")
    parser.add_argument("--from", dest="start", type=float)
    parser.add_argument("--to", dest="end", type=float)
    parser.add_argument("--all", action="store_true")
    args = parser.parse_args()
    labels = args.label.split(",") if args.label else (
        ["", ""] if len(args.trace) < 2 else
        ["proxy execution off", "proxy execution on"])
    views = []
    words = []
    for i, path in enumerate(args.trace):
        try:
            events, lost = parse(read(path))
        except (OSError, subprocess.CalledProcessError) as error:
            common.fail(f"{path}: {error}")
        if not events:
            common.fail(f"{path}: none of the events that are needed: "
                        "sched_switch and others, see --help")
        line = Timeline(events, lost)
        wait = longest(line, args.wait)
        if args.wait and not wait:
            common.fail(f"{path}: no wait of {args.wait}")
        window = None
        if args.all or args.start is not None or args.end is not None:
            window = (line.start + (args.start or 0),
                      line.end if args.end is None else line.start + args.end)
            wait = None
        label = labels[i] if i < len(labels) else path
        views.append(View(line, label, wait, window))
        suffix = f"-{i + 1}" if len(args.trace) > 1 else ""
        with open(f"{args.out}{suffix}.json", "w") as file:
            json.dump(perfetto(line), file, separators=(",", ":"))
        head = f"{label or path}: {len(events)} events\n"
        words.append(head + summary(line))
        with open(f"{args.out}{suffix}.txt", "w") as file:
            file.write(head + summary(line) + "\n" + text(line))
    with open(f"{args.out}.svg", "w") as file:
        file.write(draw(views, args.title))
    with open(f"{args.out}.figures.json", "w") as file:
        json.dump([figures(view) for view in views], file, indent=1)
        file.write("\n")
    print("\n".join(words), end="")


if __name__ == "__main__":
    main()
