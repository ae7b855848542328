#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Put the rows of dev/bench/benchmark.sh into tables, with what each may cost.

    dev/results/bench-report.py [--out STEM] [--known FILE] [--text FILE]...
                     KIND DIR... [KIND DIR...]...

The directories are those of boots, one per phase. KIND is --n, --off and --on
for the kernels without the option, with it but switched off at boot, and with
it (--n may be left out); --irq-off and --irq-on for those that measure how long
interrupts are off. --a and --b are any two kernels, without targets.

A figure is the mean of all boots, +- the standard error of the difference that
counts. A row whose mean is beyond its target, but not by two of these, cannot
be told from one that is within and is said to be noise. FILE has the known
misses, lines "ROW REASON", or "ROW@off/n REASON" for one comparison; a row that
is not in there and misses its target is a failure.

--out writes STEM.txt, the tables, STEM.json, all figures, and STEM.summary,
what README and cover letter quote; --text adds a file to the tables.
"""
import fnmatch
import math
import re
import statistics
import sys

import common

# What the rows are, the rows, what off may cost more than n, and on more than
# its base, in percent (None: no target), and what that base is. The first that
# fits counts.
TARGETS = (
    ("uncontended lock", "pair.*", 0.0, 0.0, "n"),
    ("context switch", "switch.*", 0.3, 0.5, "n"),
    ("contended, owner sleeps", "contend.*.sleep.*.op", 0.3, 10.0, "off"),
    ("contended, other", "contend.*.op", 0.3, 5.0, "off"),
    ("longest wait", "contend.*.longest", None, 0.0, "off"),
    ("cyclictest max", "cyclictest.max", None, 0.0, "off"),
    ("cyclictest", "cyclictest.*", None, 1.0, "off"),
    ("perf messaging", "perf.*", 0.3, 1.0, "n"),
    ("hackbench", "hackbench.*", 0.3, 1.0, "n"),
    ("wakeup latency", "wake.*", 0.3, 1.0, "n"),
    ("fork, exec", "process.*", 0.3, 1.0, "n"),
    ("file system", "files.*", 0.3, 1.0, "n"),
    ("network", "net.*", 0.3, 1.0, "n"),
)
# Counts, not times: no percentages of them
COUNTS = ("contend.*.switches", "contend.*.migrations", "contend.*.idle")
ELSEWHERE = ("growth.*", "irq.*", "cure.*", "size.*")

# A link of a chain may cost at most that much more at one length than at another,
# and an unlock move that many waiters, however many there are.
FLAT = 1.5
MOVES = 4.0

KINDS = ("n", "off", "on", "irq-off", "irq-on", "a", "b")


def fits(name, patterns):
    return any(fnmatch.fnmatch(name, p) for p in patterns)


def parse(text):
    """The rows of one boot: name -> values."""
    found = {}
    for line in text.splitlines():
        m = re.match(r"@@row (\S+) (-?[0-9.]+(?:e[-+]?[0-9]+)?)\s*$", line)
        if m:
            found.setdefault(m[1], []).append(float(m[2]))
    return found


def rows(dirs):
    """Those of all boots; one that another boot does not have is left out, but
    for scenes, which the first plays."""
    boots = [parse(common.read(d)) for d in dirs]
    return {name: [v for boot in boots for v in boot.get(name, ())]
            for name in (boots[0] if boots else ())
            if all(name in boot for boot in boots) or name.startswith("cure.")}


def percent(value, base):
    return 100.0 * (value - base) / base if base else 0.0


def difference(values, base):
    """Of the means, in percent, and its standard error."""
    mean = statistics.mean(base)
    d = percent(statistics.mean(values), mean)
    if len(values) < 2 or len(values) != len(base) or not mean:
        return d, 0.0
    each = [100.0 * (v - b) / mean for v, b in zip(values, base)]
    return d, statistics.stdev(each) / math.sqrt(len(each))


def target(name):
    for entry in TARGETS:
        if fnmatch.fnmatch(name, entry[1]):
            return entry
    return None


def judge(d, error, most):
    """'', 'noise' or 'missed'"""
    if most is None or d <= most + 1e-9:
        return ""
    return "noise" if d - 2 * error <= most else "missed"


class Known:
    """The known misses and why they are"""

    def __init__(self, text=""):
        self.reasons = []
        for line in text.splitlines():
            words = line.split(None, 1)
            if len(words) == 2 and not line.startswith("#"):
                self.reasons.append(words)

    def reason(self, name, wrong):
        """Why @name misses what it does; None if there is no reason for part of it"""
        found = []
        for part in wrong.split(", "):
            for pattern, why in self.reasons:
                row, _, what = pattern.partition("@")
                if fnmatch.fnmatch(name, row) and what in ("", part.split(" ")[0]):
                    found.append(why)
                    break
            else:
                return None
        return "; ".join(dict.fromkeys(found))


class Report:
    def __init__(self, known, two=False):
        self.known = known
        self.two = two
        self.met = 0
        self.missed = {}        # row -> by what
        self.failed = []        # those without a reason
        self.lines = []
        self.groups = {}        # label -> figures of its rows

    def verdict(self, name, wrong):
        """Count it; the word for the table"""
        if not wrong:
            self.met += 1
            return "ok"
        self.missed[name] = wrong
        if self.known.reason(name, wrong):
            return "known: " + wrong
        self.failed.append(name)
        return "MISSED: " + wrong

    def missing(self, name):
        self.failed.append(name)
        self.missed[name] = "no figures"
        self.lines.append(f"{name:<36} missing")

    def costs(self, n, off, on):
        """The table of what costs time"""
        every = [name for name in dict.fromkeys([*off, *on, *(n or ())])
                 if not fits(name, ELSEWHERE) and not fits(name, COUNTS)]
        if not every:
            return
        names = ("A", "B") if self.two else ("off", "on")
        base_name = names[0]
        self.lines.append("%-36s %12s %12s %12s %7s %7s %5s  %s" % (
            "row (ns)", "n" if n else "", *names, "off/n" if n else "",
            f"{names[1]}/{base_name}", "+-", "" if self.two else
            "most off/n, on/base"))
        for name in every:
            if name not in on or name not in off or (n and name not in n):
                self.missing(name)
                continue
            self.cost(name, n and n[name], off[name], on[name])

    def cost(self, name, n, off, on):
        d_off, e_off = difference(off, n) if n else (0.0, 0.0)
        d_on, e_on = difference(on, off)
        word = ""
        entry = None if self.two else target(name)
        if entry:
            label, _, most_off, most_on, base = entry
            d, e = d_on, e_on
            if base == "n" and n:
                d, e = difference(on, n)
            e_on = e
            wrong, noise = [], False
            for what, value, error, most in (
                    ("off/n", d_off, e_off, most_off if n else None),
                    (f"on/{base}", d, e, most_on)):
                j = judge(value, error, most)
                noise = noise or j == "noise"
                if j == "missed":
                    wrong.append(f"{what} {value:+.2f}")
            said = self.verdict(name, ", ".join(wrong))
            if said == "ok" and noise:
                said = "ok (noise)"
            limits = [f"{most:g}" for most in (most_off if n else None, most_on)
                      if most is not None]
            word = f"{', '.join(limits)} {base}: {said}"
            g = self.groups.setdefault(label, [])
            g.append((name, d_off if n and most_off is not None else None, d))
        self.lines.append("%-36s %12s %12.2f %12.2f %7s %+7.2f %5.1f  %s" % (
            name, "%.2f" % statistics.mean(n) if n else "",
            statistics.mean(off), statistics.mean(on),
            "%+.2f" % d_off if n else "", d_on, e_on, word))

    def counts(self, off, on):
        """Switches, migrations and idle entries of a contended lock"""
        found = [name for name in off if fits(name, COUNTS) and name in on]
        if not found:
            return
        self.lines += ["", "%-36s %12s %12s" % ("per lock operation", "off", "on")]
        for name in found:
            self.lines.append("%-36s %12.2f %12.2f" % (
                name, statistics.mean(off[name]), statistics.mean(on[name])))

    def growth(self, off, on):
        """How costs grow, and whether they do"""
        def at(values, what):
            return {int(name.rsplit(".", 1)[1]): min(values[name])
                    for name in values if name.startswith(f"growth.{what}.")}

        if not at(on, "walk") and not at(on, "unlock"):
            return
        self.lines += ["", "%-36s %12s %12s  %s" % (
            "growth (ns)", "off", "on", "")]
        for what in ("walk", "unlock", "drain"):
            a = at(off, what)
            for nr, value in sorted(at(on, what).items()):
                self.lines.append("%-36s %12.0f %12.0f" % (
                    f"growth.{what}.{nr}", a.get(nr, 0), value))
        # Over two steps, because one tick is not as long as another.
        walk = sorted(at(on, "walk").items())
        hops = [(b[0], (b[1] - a[1]) / (b[0] - a[0]))
                for a, b in zip(walk, walk[2:]) if a[0] >= 4]
        for nr, value in hops:
            self.lines.append("%-36s %12s %12.0f" % (
                f"growth.hop.{nr}", "", value))
        long = [value for _, value in hops]
        if long:
            ratio = max(long) / min(long) if min(long) > 0 else math.inf
            self.lines.append("%-36s %25s  %s" % (
                "growth.flat", f"{ratio:.2f}", f"{FLAT:g}: " + self.verdict(
                    "growth.flat", "" if ratio <= FLAT else f"{ratio:.2f}")))
        for nr, value in sorted(at(on, "moved").items()):
            name = f"growth.moved.{nr}"
            self.lines.append("%-36s %25.2f  %s" % (
                name, value, f"{MOVES:g}: " + self.verdict(
                    name, "" if value <= MOVES else f"{value:.2f}")))

    def irq(self, off, on):
        """Interrupts off, of the irqsoff tracer"""
        if not on:
            return
        self.lines += ["", "%-36s %12s %12s" % (
            "interrupts off at most (us)", "off", "on")]
        for name in on:
            a = "%.0f" % min(off[name]) if name in off else "-"
            self.lines.append("%-36s %12s %12.0f" % (name, a, min(on[name])))

    def cure(self, off, on):
        """What a cure takes, of a scene"""
        scenes = dict.fromkeys(name.split(".")[1] for name in on
                               if name.startswith("cure."))
        if not scenes:
            return
        keys = ("ratio", "given", "switches", "migrations")
        self.lines += ["", "%-18s %8s %8s %9s %9s %9s %9s" % (
            "a cure, per round", "ratio", "", "given ms", "switches", "",
            "moves"), "%-18s %8s %8s %9s %9s %9s %9s" % (
            "", "off", "on", "on", "off", "on", "on")]

        def figure(values, scene, key, digits):
            name = f"cure.{scene}.{key}"
            if name not in values:
                return "-"
            return f"{statistics.mean(values[name]):.{digits}f}"

        for scene in scenes:
            self.lines.append("%-18s %8s %8s %9s %9s %9s %9s" % (
                scene, figure(off, scene, keys[0], 0),
                figure(on, scene, keys[0], 2), figure(on, scene, keys[1], 2),
                figure(off, scene, keys[2], 0), figure(on, scene, keys[2], 1),
                figure(on, scene, keys[3], 1)))

    def summary(self, phases):
        """What README and cover letter say: by kind of row"""
        def span(values):
            values = [v for v in values if v is not None]
            if not values:
                return "-", "-"
            return f"{statistics.mean(values):+.2f}", f"{max(values):+.2f}"

        lines = [f"{'percent':<23} {'rows':>4}  {'off over n':^15}  {'on':^15} "
                 f"{'over':<4} {'most':>4}  missed",
                 f"{'':<23} {'':>4}  {'mean':>7} {'worst':>7}  "
                 f"{'mean':>7} {'worst':>7}", "-" * 79]
        for label, _, _, most, base in TARGETS:
            found = self.groups.get(label)
            if not found:
                continue
            bad = sum(name in self.missed for name, _, _ in found)
            off, on = (span([f[i] for f in found]) for i in (1, 2))
            lines.append(f"{label:<23} {len(found):>4}  {off[0]:>7} {off[1]:>7}  "
                         f"{on[0]:>7} {on[1]:>7} {base:<4} {most:>4g}  "
                         f"{bad or '-'}")
        lines.append("")
        lines.append(f"Means of {phases} boots in virtual time; most: what on "
                     "may cost, off may cost 0.3,")
        lines.append("an uncontended lock nothing. missed: rows beyond that by "
                     "two standard errors.")
        return "\n".join(lines) + "\n"


def arguments():
    parser = common.parser(__doc__)
    parser.add_argument("--out", metavar="STEM")
    parser.add_argument("--known", metavar="FILE")
    parser.add_argument("--text", metavar="FILE", action="append", default=[])
    for kind in KINDS:
        parser.add_argument("--" + kind, metavar="DIR", nargs="+")
    args = parser.parse_args()
    dirs = {kind: found for kind in KINDS
            if (found := getattr(args, kind.replace("-", "_"))) is not None}
    for x, y in ("a", "b"), ("off", "on"), ("irq-off", "irq-on"):
        if (x in dirs) != (y in dirs):
            parser.error(f"--{x} and --{y} go together")
    if not (dirs or args.text):
        parser.error("there are no directories")
    return args, dirs


def main():
    args, dirs = arguments()
    two = "a" in dirs
    data = {kind: rows(d) for kind, d in dirs.items()}
    off, on = (data.get(k, {}) for k in (("a", "b") if two else ("off", "on")))
    known = Known(common.read(args.known) if args.known else "")
    report = Report(known, two)
    report.costs(data.get("n"), off, on)
    report.counts(off, on)
    report.growth(off, on)
    report.irq(data.get("irq-off", {}), data.get("irq-on", {}))
    report.cure(off, on)
    for path in args.text:
        report.lines += ["", common.read(path).rstrip()]
    for kind in dirs:
        if not data[kind]:
            report.missing(f"every row of {kind}")
    for name, wrong in report.missed.items():
        why = known.reason(name, wrong)
        if why:
            report.lines.append(f"known: {name}: {why}")
    text = "\n".join(line.rstrip() for line in report.lines) + "\n"
    print(text, end="")
    if args.out:
        with open(args.out + ".txt", "w") as f:
            f.write(text)
        common.write_json(args.out + ".json", {
            "rows": data, "missed": report.missed, "failed": report.failed})
        with open(args.out + ".summary", "w") as f:
            f.write(report.summary(len(dirs.get("on", []))))
    accepted = len(report.missed) - len(report.failed)
    print(f"bench: {report.met} passed, {len(report.failed)} failed, "
          f"{accepted} skipped" if accepted else
          f"bench: {report.met} passed, {len(report.failed)} failed")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
