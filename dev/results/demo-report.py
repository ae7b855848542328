#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Make the demo's table from its two boots and check the targets.

    dev/results/demo-report.py [--out PREFIX] DIR_OFF DIR_ON

Reads the "summary:" lines of tools/testing/selftests/proxy_exec/inversion.c
from the results of both boots; writes PREFIX.txt and PREFIX.json. Exit status
1 names each row that misses its target.
"""
import re
import sys
import textwrap

import common
from common import NAMES

ROWS = [(fg, owner) for owner in ("nice19", "idle")
        for fg in ("nice0", "nice-20", "fifo")]

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
        figures = common.figures(line, INTEGERS, ("ratio_p50", "ratio_max"))
        if figures and "fg" in figures and "owner" in figures:
            # What was left and how long it took, ns, for each round
            figures["waits_ns"] = its
            found[figures["fg"], figures["owner"]] = figures
    return found


def label(row):
    return f"{NAMES[row[0]]} waits for {NAMES[row[1]]}"


def check(off, on):
    """(number of targets met, messages about the others)"""
    return common.judge([(label(row), *(boot.get(row, {}).get("ratio_p50")
                                        for boot in (off, on)),
                          TARGET_ON[row[0]]) for row in ROWS], TARGET_OFF)


def ms(ns):
    return f"{ns / 1e6:.2f}"


def cells(figures, digits):
    if figures is None:
        return ["-"] * 4
    return [ms(figures["remaining_p50_ns"]), ms(figures["latency_p50_ns"]),
            ms(figures["latency_max_ns"]),
            f"{figures['ratio_p50']:.{digits}f}"]


def table(off, on):
    return "\n".join(common.table(
        ["foreground", "lock owner"] +
        ["left", "wait p50", "wait max", "ratio"] * 2,
        [[NAMES[row[0]], NAMES[row[1]]] + cells(off.get(row), 1) +
         cells(on.get(row), 2) for row in ROWS], left=2,
        groups={2: "proxy execution off", 6: "proxy execution on"}))


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


def fold(text):
    return textwrap.fill(text, 75, break_on_hyphens=False)


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


def find_uname(text):
    for line in text.splitlines():
        if line.startswith("@@uname "):
            return "Linux " + line.split()[1]
    return "Linux"


def main():
    parser = common.parser(__doc__)
    parser.add_argument("--out", metavar="PREFIX")
    parser.add_argument("off", metavar="DIR_OFF")
    parser.add_argument("on", metavar="DIR_ON")
    args = parser.parse_args()
    texts = [common.read(d) for d in (args.off, args.on)]
    off, on = map(parse, texts)
    return common.finish(
        "demo", *check(off, on), report(off, on, find_uname(texts[1])), args.out,
        {"off": [off[r] for r in ROWS if r in off],
         "on": [on[r] for r in ROWS if r in on]})


if __name__ == "__main__":
    sys.exit(main())
