#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Read the lists of excuses of this directory; README has their format.

    dev/review/excuses/excuses.py match LIST [--unused FILE]
    dev/review/excuses/excuses.py unused LIST

match reads findings, one a line, the fields of LIST and any more with tabs
between them, and prints each with one field more, the reason that excuses it,
which is empty if nothing does. The excuses that excused none go to FILE.
unused reads the excuses that were needed, as Excuse.key has them, and prints
the others. A line of LIST that is not as it has to be is an error.
"""
import argparse
import fnmatch
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
# What a line has before its reason. All are patterns but the ceiling.
FIELDS = {
    "bench": ("run", "row", "comparison", "ceiling"),
    "checkpatch": ("type", "file"),
    "kcsan": ("functions", "line"),
    "nfc": ("patch", "option", "function"),
    "objects": ("function",),
    "sparse": ("message",),
}


class Error(Exception):
    """A list cannot be used; the text says why"""


class Excuse:
    """One line of a list"""

    def __init__(self, fields, words, where):
        if len(words) < len(fields):
            raise Error(f"{where}: {len(words)} fields, not {len(fields)} and a "
                        f"reason: {', '.join(fields)}; separate them by tabs")
        if len(words) == len(fields) or words[-1] == "?":
            raise Error(f"{where}: no reason; it comes after {fields[-1]} and a tab")
        if len(words) > len(fields) + 1:
            raise Error(f"{where}: {len(words)} fields, not {len(fields)} and a "
                        "reason; a reason has no tab")
        self.where = where
        self.text = "\t".join(words)
        self.reason = words[-1]
        named = dict(zip(fields, words))
        self.measured = named.pop("ceiling", None)
        self.ceiling = None
        self.patterns = tuple(named.values())
        self.key = "\t".join(self.patterns)
        self.used = False
        if self.measured not in (None, "?"):
            if not re.fullmatch(r"\d+(\.\d+)?", self.measured):
                raise Error(f"{where}: ceiling {self.measured} is not a number, "
                            "nor ? for one that has to be measured")
            self.ceiling = float(self.measured)

    def fits(self, values):
        return len(values) >= len(self.patterns) and all(
            fnmatch.fnmatchcase(value, pattern)
            for value, pattern in zip(values, self.patterns))

    def idle(self):
        return f"{self.where}: excuses nothing: {self.key.replace(chr(9), ' ')}"


class Excuses:
    """A list"""

    def __init__(self, kind, text=None):
        if kind not in FIELDS:
            raise Error(f"there is no list {kind}; there are: {' '.join(FIELDS)}")
        path = os.path.join(HERE, kind)
        if text is None:
            try:
                with open(path) as f:
                    text = f.read()
            except (OSError, UnicodeDecodeError) as error:
                raise Error(f"{path}: {error}") from error
        self.all = []
        self.head = []          # its comments
        lines = {}
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                self.head.append(line)
                continue
            where = f"{os.path.relpath(path)}:{number}"
            # Several tabs are one: they align columns.
            excuse = Excuse(FIELDS[kind], re.split("\t+", line.strip("\t ")), where)
            if excuse.key in lines:
                raise Error(f"{where}: the same as line {lines[excuse.key]}")
            lines[excuse.key] = number
            self.all.append(excuse)

    def find(self, *values):
        """The first excuse that fits, which has been needed then; or None"""
        for excuse in self.all:
            if excuse.fits(values):
                excuse.used = True
                return excuse
        return None

    def unused(self):
        return [excuse for excuse in self.all if not excuse.used]


def match(excuses, lines):
    """Each line with a reason"""
    for line in lines:
        line = line.rstrip("\n")
        excuse = excuses.find(*line.split("\t"))
        yield f"{line}\t{excuse.reason if excuse else ''}\n"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=("match", "unused"))
    parser.add_argument("list", metavar="LIST")
    parser.add_argument("--unused", metavar="FILE")
    args = parser.parse_args()
    try:
        excuses = Excuses(args.list)
        if args.verb == "match":
            sys.stdout.writelines(match(excuses, sys.stdin))
            idle = excuses.unused()
        else:
            needed = set(sys.stdin.read().split("\n"))
            idle = [e for e in excuses.all if e.key not in needed]
            sys.stdout.writelines(e.idle() + "\n" for e in idle)
        if args.unused:
            with open(args.unused, "w") as f:
                f.writelines(e.idle() + "\n" for e in idle)
    except (Error, OSError) as error:
        print(f"excuses: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
