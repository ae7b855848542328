# SPDX-License-Identifier: GPL-2.0
"""What the reports share: reading boots, judging ratios, tables, arguments."""
import argparse
import json
import os
import sys

NAMES = {"nice0": "nice 0", "nice-20": "nice -20", "fifo": "SCHED_FIFO",
         "nice19": "nice 19", "idle": "SCHED_IDLE"}


def fail(message):
    """One line, and exit status 1"""
    name = os.path.basename(sys.argv[0]).removesuffix(".py")
    sys.exit(f"{name}: {message}")


def parser(doc):
    """An ArgumentParser that says what the head of a script says"""
    about, _, *rest = doc.split("\n\n")
    return argparse.ArgumentParser(
        description=about, epilog="\n\n".join(rest),
        formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)


def read(path, errors="replace"):
    """The text of a file, or of the results in a directory of dev/guest/qemu.sh"""
    if os.path.isdir(path):
        path = os.path.join(path, "results")
    try:
        with open(path, errors=errors) as f:
            return f.read().replace("\r", "")
    except OSError as error:
        return fail(error)


def figures(line, integers, floats):
    """The words "name=value" of a line, or None if one of these is not there"""
    found = dict(word.split("=", 1) for word in line.split() if "=" in word)
    try:
        found.update({name: int(found[name]) for name in integers})
        found.update({name: float(found[name]) for name in floats})
    except (KeyError, ValueError):
        return None
    return found


def judge(rows, control):
    """(number of targets met, messages about the others) of rows (label, ratio
    off, ratio on, most it may be on); off it has to be above @control"""
    met, missed = 0, []
    for label, off, on, most in rows:
        if off is None:
            missed.append(f"{label}, off: no figures")
        elif off <= control:
            missed.append(f"{label}, off: ratio {off:.1f}, the control has to "
                          f"be above {control:.0f}")
        else:
            met += 1
        if on is None:
            missed.append(f"{label}, on: no figures")
        elif on > most:
            missed.append(f"{label}, on: ratio {on:.3f}, at most {most} is the "
                          "target")
        else:
            met += 1
    return met, missed


def table(head, body, left=1, groups=None):
    """Lines: head, rule, body. The first @left columns are of words. @groups are
    titles over columns, {number of the first column: title}, with bars between."""
    groups = groups or {}
    widths = [max(map(len, column)) for column in zip(head, *body)]

    def render(cells):
        return "".join(
            ("  | " if i in groups else "  ") +
            (cell.ljust(widths[i]) if i < left else cell.rjust(widths[i]))
            for i, cell in enumerate(cells))[2:].rstrip()

    above = ""
    for i, title in groups.items():
        above = above.ljust(sum(widths[:i]) + 2 * (i - 1) + 2 * list(groups).index(i))
        above += "  | " + title
    rule = "".join("+" if c == "|" else "-"
                   for c in max(map(render, [head] + body), key=len))
    return ([above] if groups else []) + [render(head), rule] + [
        render(cells) for cells in body]


def finish(name, met, missed, text, out, data):
    """Print the report, write OUT.txt and OUT.json; the exit status"""
    print("\n" + text)
    for line in missed:
        print(f"{name}: missed: {line}")
    if out:
        with open(out + ".txt", "w") as f:
            f.write(text)
        write_json(out + ".json", {**data, "missed": missed})
    print(f"{name}: {met} passed, {len(missed)} failed")
    return 1 if missed else 0


def write_json(path, data):
    with open(path, "w") as f:
        json.dump(data, f, indent=1)
        f.write("\n")
