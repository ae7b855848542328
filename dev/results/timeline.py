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
import json
import subprocess

import common
from drawing import draw
from events import Timeline, parse, read
from export import perfetto, summary, text
from view import View, figures, longest


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
