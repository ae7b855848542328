# SPDX-License-Identifier: GPL-2.0
"""The events of a trace, and what they say: who ran, waited, and for whom."""
import collections
import gzip
import re
import subprocess

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
