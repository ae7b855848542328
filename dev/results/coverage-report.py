#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Lines and branches of the series that tests reach, from gcov's counts.

    dev/results/coverage-report.py GCOV DIFF SOURCE

GCOV has gcov's JSON, one object a line; DIFF is the series as `git diff -U0';
SOURCE is the kernel tree. Only lines that the series adds count. Prints a table by
file, and each line that no test reaches with its text. kernel/sched/proxy*.c have
a goal, 95 % of their lines; below it each line that is left needs a reason in a
list coverage (file, text) of dev/review/excuses/.
"""
import json
import os
import re
import sys

import common

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)),
                             "../review/excuses"))
import excuses  # noqa: E402

GOAL = 95
WITH_GOAL = re.compile(r"kernel/sched/proxy\w*\.c$")
# The tests are not what is to be tested.
PASSED_OVER = re.compile(r"^tools/|kernel/sched/proxy_test\.c$")


def added_lines(diff):
    """{file: set of the lines that a diff without context adds}"""
    added, lines = {}, None
    for text in diff.splitlines():
        if text.startswith("+++ "):
            name = text[4:].split("\t")[0].removeprefix("b/")
            lines = added.setdefault(name, set())
        elif match := re.match(r"@@ -\S+ \+(\d+)(?:,(\d+))? @@", text):
            first, count = int(match[1]), int(match[2] or 1)
            lines.update(range(first, first + count))
    return {name: lines for name, lines in added.items()
            if lines and not PASSED_OVER.search(name)}


def path_of(name, files):
    """The file of the series that gcov's path is, or None"""
    name = os.path.normpath(name)
    return next((f for f in files if name == f or name.endswith("/" + f)), None)


def counts(text, added):
    """{file: {line: [count, [counts of its branches]]}} of added lines. A header is
    compiled into several objects, and an inline function into several places: they
    add up."""
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            files = json.loads(line)["files"]
        except (ValueError, KeyError, TypeError):
            common.fail(f"line {number} is not what gcov --json-format writes")
        for entry in files:
            name = path_of(entry["file"], added)
            if not name:
                continue
            lines = found.setdefault(name, {})
            for item in entry["lines"]:
                if item["line_number"] not in added[name]:
                    continue
                have = lines.setdefault(item["line_number"], [0, []])
                have[0] += item["count"]
                for i, branch in enumerate(item.get("branches", ())):
                    if i == len(have[1]):
                        have[1].append(0)
                    have[1][i] += branch["count"]
    return found


def share(hit, total):
    return f"{hit}/{total}", f"{100 * hit / total:.1f}" if total else "-"


def row(name, lines):
    branches = [b for _, each in lines.values() for b in each]
    return [name, *share(sum(1 for n, _ in lines.values() if n), len(lines)),
            *share(sum(1 for b in branches if b), len(branches))]


def text_of(source, name):
    return common.read(os.path.join(source, name)).split("\n")


def report(found, added, source, known):
    """(lines to print, number of goals met, what has failed)"""
    shown = sorted(found)
    out = common.table(["file", "lines", "%", "branches", "%"],
                       [row(name, found[name]) for name in shown])
    out += ["", "Not compiled into what was counted: " + " ".join(
        sorted(set(added) - set(found)))] if set(added) - set(found) else []
    met, missed = 0, []
    for name in shown:
        left = sorted(n for n, (count, _) in found[name].items() if not count)
        bare = []
        code = text_of(source, name) if left else []
        out += ["", f"{name}: {len(left)} lines that no test reaches"] if left else []
        for n in left:
            words = code[n - 1].strip() if n <= len(code) else "?"
            excuse = known.find(name, words) if known else None
            if not excuse:
                bare.append(n)
            out.append(f"{name}:{n}: {words}" +
                       (f"  [{excuse.reason}]" if excuse else ""))
        if not WITH_GOAL.search(name):
            continue
        total = len(found[name])
        if bare and 100 * (total - len(left)) < GOAL * total:
            missed.append(f"{name}: {100 * (total - len(left)) / total:.1f} % of the "
                          f"lines, {GOAL} is the goal; {len(bare)} lines are left "
                          "without a reason")
        else:
            met += 1
    missed += [f"{name}: no line of it was counted" for name in sorted(added)
               if WITH_GOAL.search(name) and not found.get(name)]
    return out, met, missed


def main():
    parser = common.parser(__doc__)
    for name in "gcov diff source".split():
        parser.add_argument(name, metavar=name.upper())
    parser.add_argument("--boots-failed", default="", metavar="NAMES",
                        help="boots that were not good, a failure each")
    args = parser.parse_args()
    try:
        # A list has to have a line; there is none before the first reason.
        known = (excuses.Excuses("coverage") if "coverage" in excuses.FIELDS
                 else None)
    except excuses.Error as error:
        common.fail(error)
    added = added_lines(common.read(args.diff))
    if not added:
        common.fail(f"{args.diff} adds no lines to the kernel")
    found = counts(common.read(args.gcov), added)
    if not found:
        common.fail(f"{args.gcov} counts no line of the series")
    out, met, missed = report(found, added, args.source, known)
    missed += [f"boot {name}: not good, or without counters"
               for name in args.boots_failed.split()]
    return common.finish("coverage", met, missed, "\n".join(out) + "\n", None, {})


if __name__ == "__main__":
    sys.exit(main())
