#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Make the demo's table from its two boots and check the targets.

    dev/results/demo-report.py [--out PREFIX] DIR_OFF DIR_ON

Reads the "summary:" lines of tools/testing/selftests/proxy_exec/inversion.c
from the results of both boots; writes PREFIX.txt and PREFIX.json. Exit status
1 names each row that misses its target.
"""
import json
import os
import re
import sys

ROWS = [(fg, owner) for owner in ("nice19", "idle")
        for fg in ("nice0", "nice-20", "fifo")]
NAMES = {"nice0": "nice 0", "nice-20": "nice -20", "fifo": "SCHED_FIFO",
         "nice19": "nice 19", "idle": "SCHED_IDLE"}

# Latency as a multiple of what was left of the critical section, median.
TARGET_ON = {"nice0": 2.5, "nice-20": 2.5, "fifo": 1.05}
TARGET_OFF = 20.0

ROUND = re.compile(r"round: .*\bremaining_ns=(\d+) latency_ns=(\d+) ")

INTEGERS = ("hogs", "rounds", "void", "bounded", "section_ns",
            "remaining_p50_ns", "remaining_max_ns", "latency_p50_ns",
            "latency_max_ns")


def parse(text):
    """The summaries of one boot: (fg, owner) to figures."""
    found = {}
    waits = []
    for line in text.splitlines():
        match = ROUND.match(line)
        if match:
            waits.append([int(match[1]), int(match[2])])
        if not line.startswith("summary: "):
            continue
        its, waits = waits, []
        figures = dict(word.split("=", 1) for word in line.split()[1:]
                       if "=" in word)
        try:
            for name in INTEGERS:
                figures[name] = int(figures[name])
            for name in ("ratio_p50", "ratio_max"):
                figures[name] = float(figures[name])
            # What was left and how long it took, ns, for each round
            figures["waits_ns"] = its
            found[figures["fg"], figures["owner"]] = figures
        except (KeyError, ValueError):
            continue
    return found


def label(row):
    return f"{NAMES[row[0]]} waits for {NAMES[row[1]]}"


def check(off, on):
    """(number of targets met, messages about the others)"""
    met = 0
    missed = []
    for row in ROWS:
        for state, figures in (("off", off.get(row)), ("on", on.get(row))):
            if figures is None:
                missed.append(f"{label(row)}, {state}: no figures")
                continue
            ratio = figures["ratio_p50"]
            limit = TARGET_ON[row[0]] if state == "on" else TARGET_OFF
            if state == "on" and ratio > limit:
                missed.append(f"{label(row)}, on: ratio {ratio:.3f}, at most "
                              f"{limit} is the target")
            elif state == "off" and ratio <= limit:
                missed.append(f"{label(row)}, off: ratio {ratio:.1f}, the "
                              f"control has to be above {limit:.0f}")
            else:
                met += 1
    return met, missed


def ms(ns):
    return f"{ns / 1e6:.2f}"


def cells(figures, digits):
    if figures is None:
        return ["-"] * 4
    return [ms(figures["remaining_p50_ns"]), ms(figures["latency_p50_ns"]),
            ms(figures["latency_max_ns"]),
            f"{figures['ratio_p50']:.{digits}f}"]


def table(off, on):
    head = ["foreground", "lock owner"] + ["left", "wait p50", "wait max",
                                           "ratio"] * 2
    body = [[NAMES[row[0]], NAMES[row[1]]] + cells(off.get(row), 1) +
            cells(on.get(row), 2) for row in ROWS]
    widths = [max(len(line[i]) for line in [head] + body)
              for i in range(len(head))]

    def render(line):
        texts = [text.ljust(w) if i < 2 else text.rjust(w)
                 for i, (text, w) in enumerate(zip(line, widths))]
        return ("  ".join(texts[:2]) + "  | " + "  ".join(texts[2:6]) +
                "  | " + "  ".join(texts[6:])).rstrip()

    lead = sum(widths[:2]) + 2
    span = sum(widths[2:6]) + 6
    group = (" " * lead + "  | " + "proxy execution off".ljust(span) +
             "  | proxy execution on")
    rule = "".join("+" if c == "|" else "-" for c in render(head))
    return "\n".join([group, render(head), rule] + [render(b) for b in body])


def sentence(off, on):
    """In words, for the row in which the option makes most difference."""
    both = [row for row in ROWS if row in off and row in on]
    if not both:
        return "There are no figures to put in words."
    row = max(both, key=lambda r: off[r]["ratio_p50"] / on[r]["ratio_p50"])
    a, b = off[row], on[row]
    return (f"A {NAMES[row[0]]} task that needs a lock whose {NAMES[row[1]]} "
            f"owner has {ms(a['remaining_p50_ns'])} ms of work left under it "
            f"waits {ms(a['latency_p50_ns'])} ms behind two nice 0 tasks "
            f"without proxy execution, {a['ratio_p50']:.0f} times as long; "
            f"with it {ms(b['latency_p50_ns'])} ms for "
            f"{ms(b['remaining_p50_ns'])} ms, {b['ratio_p50']:.2f} times as "
            f"long.")


def fold(text, width=75):
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] += (" " if lines[-1] else "") + word
    return "\n".join(lines)


def report(off, on, uname):
    sample = next(iter(list(off.values()) + list(on.values())), None)
    about = ""
    if sample:
        about = (f"{uname}; {sample['rounds']} rounds a row and boot, "
                 f"{sample['hogs']} nice 0 tasks computing on the same CPU")
    return "\n".join([
        "Waiting for file->f_pos_lock, in ms of guest time" +
        (f" ({about})" if about else ""), "",
        table(off, on), "",
        fold("left: CPU time the owner still needed to get out of its system "
             "call when the foreground task blocked (median). ratio: wait / "
             "left of the same round (median); 1.0 is a wait that lasts as "
             "long as the work."), "",
        fold(sentence(off, on))]) + "\n"


def read_results(directory):
    try:
        with open(os.path.join(directory, "results"), errors="replace") as f:
            return f.read().replace("\r", "")
    except OSError as error:
        sys.exit(f"demo-report: {error}")


def find_uname(text):
    for line in text.splitlines():
        if line.startswith("@@uname "):
            return "Linux " + line.split()[1]
    return "Linux"


def main():
    args = sys.argv[1:]
    out = None
    if args[:1] == ["--out"] and len(args) > 1:
        out = args[1]
        args = args[2:]
    if len(args) != 2:
        print("usage: dev/results/demo-report.py [--out PREFIX] DIR_OFF DIR_ON",
              file=sys.stderr)
        return 2
    texts = [read_results(d) for d in args]
    off, on = (parse(text) for text in texts)
    met, missed = check(off, on)
    text = report(off, on, find_uname(texts[1]))
    print("\n" + text)
    for line in missed:
        print(f"demo: missed: {line}")
    if out:
        with open(out + ".txt", "w") as f:
            f.write(text)
        with open(out + ".json", "w") as f:
            json.dump({"off": [off[r] for r in ROWS if r in off],
                       "on": [on[r] for r in ROWS if r in on],
                       "missed": missed}, f, indent=1)
            f.write("\n")
    print(f"demo: {met} passed, {len(missed)} failed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
