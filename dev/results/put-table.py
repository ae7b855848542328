#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Put a table of demo.sh, benchmark.sh, matrix.sh, torture.sh or boundaries.sh
where README and cover letter quote it.

    dev/results/put-table.py [--mark NAME] TABLE [FILE...]

In a FILE it replaces what is between the marks "<!-- NAME-output -->" and
"<!-- /NAME-output -->", or what is under the heading "Cost" for bench, which is the
default, "Torture" for torture, or "The parts, each alone" for boundaries. Without
FILE: in README.md, but torture and boundaries in the cover letter, and bench in
both.
"""
import os
import re

import common

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
README = os.path.join(TOP, "README.md")
COVER = os.path.join(TOP, "patches/0000-cover-letter.txt")
FILES = {"bench": [README, COVER], "torture": [COVER], "boundaries": [COVER]}
HEADINGS = {"bench": "Cost", "torture": "Torture",
            "boundaries": "The parts, each alone"}


def marks(name):
    """Where it begins, where it ends, what is around it"""
    yield (f"<!-- {name}-output -->\n", rf"^<!-- /{name}-output -->\n",
           "```\n", "```\n")
    if name in HEADINGS:
        heading = HEADINGS[name]
        yield (f"{heading}\n{'-' * len(heading)}\n", r"\n\n^[A-Z].*\n---",
               "\n", "")


def replaced(text, table, name="bench"):
    """The text with the table in it, or None if it has no place for it"""
    for begin, end, before, after in marks(name):
        pattern = re.compile(f"(?ms)^{re.escape(begin)}.*?(?=(?-s:{end}))")
        if pattern.search(text):
            return pattern.sub(lambda m: begin + before + table + after, text,
                               count=1)
    return None


def main():
    parser = common.parser(__doc__)
    parser.add_argument("--mark", metavar="NAME", default="bench")
    parser.add_argument("table", metavar="TABLE")
    parser.add_argument("files", metavar="FILE", nargs="*")
    args = parser.parse_args()
    table = common.read(args.table)
    for path in args.files or FILES.get(args.mark, [README]):
        text = common.read(path, errors="strict")
        new = replaced(text, table, args.mark)
        if new is None:
            common.fail(f"{path} has no place for the table")
        if new != text:
            with open(path, "w") as f:
                f.write(new)


if __name__ == "__main__":
    main()
