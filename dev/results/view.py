# SPDX-License-Identifier: GPL-2.0
"""What of a timeline belongs to one wait, in words and as figures."""
import collections

STATE_TEXT = {
    "ready": "wants a CPU", "asleep": "asleep", "parked": "parked",
    "queued": "queued for its owner", "away": "on its way", "run": "runs",
}


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
