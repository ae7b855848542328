#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Make the demo's table of scenes and check the targets.

    dev/results/scenes-report.py [--out PREFIX] --off DIR... --on DIR...

Reads the "scene:" lines of tools/testing/selftests/proxy_exec/scenes.c from
the results of several boots, each with another phase; what counts is the mean
over the boots. Writes PREFIX.txt and PREFIX.json. Exit status 1 names each
row that misses its target.
"""
import sys

import common

# name, what it is, most that the mean ratio may be
ROWS = [
    ("same_nice0", "same CPU, nice 0", 2.3),
    ("same_nice0_idle", "same CPU, nice 0, SCHED_IDLE owner", 2.5),
    ("same_fifo", "same CPU, FIFO", 1.02),
    ("other_nice0", "other CPU, nice 0", 3.0),
    ("other_nice_20", "other CPU, nice -20", 1.2),
    ("other_fifo", "other CPU, FIFO", 1.15),
    ("other_deadline", "other CPU, DEADLINE", 1.2),
    ("max_same", "owner out of cpu.max, same CPU", 1.05),
    ("max_other", "owner out of cpu.max, other CPU", 1.05),
    ("weight_same", "cpu.weight 4 against 512, same CPU", 3.5),
    ("weight_other", "cpu.weight 4 against 512, other CPU", 6.5),
    ("chain_same", "chain of two, one CPU", 2.3),
    ("chain_three", "chain of two, three CPUs", 3.0),
    ("chain_three_fifo", "chain of two, three CPUs, FIFO", 1.2),
    ("sleep_same", "owner sleeps, same CPU", 3.0),
    ("sleep_other", "owner sleeps, other CPU", 3.0),
    ("sleep_other_fifo", "owner sleeps, other CPU, FIFO", 1.2),
    ("rwsem_reader", "rwsem, FIFO reader, other CPU", 1.2),
    ("rwsem_writer", "rwsem, FIFO writer, other CPU", 1.2),
]
# Unlock until the waiter runs, while the former owner goes on computing; on
# may take twice as long as off. On another CPU than the owner's the waiter spins
# and there is nothing to hand over; scenes.c bounds that.
HANDOFF = [
    ("handoff_same", "hand-off, FIFO, same CPU"),
]
HANDOFF_FACTOR = 2
# Below this there is no inversion to be cured.
TARGET_OFF = 10.0

INTEGERS = ("rounds", "voids", "remaining_ns", "latency_ns", "latency_max_ns",
            "handoff_ns", "handoff_max_ns")


def parse(text):
    """The scenes of one boot: name to figures."""
    found = {}
    for line in text.splitlines():
        figures = line.startswith("scene: ") and common.figures(
            line, INTEGERS, ("ratio_mean", "ratio_max"))
        if figures and "name" in figures:
            found[figures["name"]] = figures
    return found


def mean(boots, name, what):
    """Over all boots; None if one has no figure."""
    values = [boot[name][what] for boot in boots if name in boot]
    if not boots or len(values) < len(boots):
        return None
    return sum(values) / len(values)


def worst(boots, name, what):
    return max((boot[name][what] for boot in boots if name in boot), default=None)


def check(off, on):
    """(number of targets met, messages about the others)"""
    met, missed = common.judge(
        [(label, *(mean(boots, name, "ratio_mean") for boots in (off, on)), target)
         for name, label, target in ROWS], TARGET_OFF)
    for name, label in HANDOFF:
        a = mean(off, name, "handoff_ns")
        b = mean(on, name, "handoff_ns")
        if a is None or b is None:
            missed.append(f"{label}: no figures")
        elif b > HANDOFF_FACTOR * a:
            missed.append(f"{label}: {b / 1000:.1f} us, without proxy "
                          f"execution {a / 1000:.1f} us")
        else:
            met += 1
    return met, missed


def number(value, digits, scale=1.0):
    return "-" if value is None else f"{value / scale:.{digits}f}"


def table(off, on):
    head = ["", "off", "on", "worst", "target"]
    body = []
    for name, label, target in ROWS:
        body.append([label, number(mean(off, name, "ratio_mean"), 0),
                     number(mean(on, name, "ratio_mean"), 2),
                     number(worst(on, name, "ratio_max"), 2),
                     f"{target:g}"])
    for name, label in HANDOFF:
        body.append([label + ", us", number(mean(off, name, "handoff_ns"), 1, 1e3),
                     number(mean(on, name, "handoff_ns"), 1, 1e3),
                     number(worst(on, name, "handoff_max_ns"), 1, 1e3),
                     f"{HANDOFF_FACTOR}x off"])
    return "\n".join(common.table(head, body))


def report(off, on):
    rounds = [next((f["rounds"] for boot in boots for f in boot.values()), 0)
              for boots in (on, off)]
    about = f", {rounds[0]} rounds a row in each ({rounds[1]} if off)"
    return "\n".join([
        "Latency of a lock operation, as a multiple of what the owner of the "
        "lock had",
        f"left to do. Mean of {len(on)} boots{about};",
        "worst: of all rounds with proxy execution.", "",
        table(off, on)]) + "\n"


def main():
    parser = common.parser(__doc__)
    parser.add_argument("--out", metavar="PREFIX")
    for state in "off", "on":
        parser.add_argument("--" + state, nargs="+", metavar="DIR", required=True)
    args = parser.parse_args()
    off, on = ([parse(common.read(d)) for d in dirs]
               for dirs in (args.off, args.on))
    return common.finish(
        "scenes", *check(off, on), report(off, on), args.out,
        {"off": off, "on": on, "labels": {row[0]: row[1] for row in ROWS},
         "targets": {row[0]: row[2] for row in ROWS}})


if __name__ == "__main__":
    sys.exit(main())
