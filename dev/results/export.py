# SPDX-License-Identifier: GPL-2.0
"""A timeline for ui.perfetto.dev, and as text."""
from view import STATE_TEXT

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
