#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Put the rows of dev/bench/benchmark.sh into tables, with what each may cost.

    dev/results/bench-report.py [--out STEM] [--known] [--run NAME] [--whole]
                     [--text FILE]...
                     KIND DIR... [KIND DIR...]...

The directories are those of boots, one per phase. KIND is --n, --off and --on
for the kernels without the option, with it but switched off at boot, and with
it (--n may be left out); --irq-off and --irq-on for those that measure how long
interrupts are off. --a and --b are any two kernels, without targets.

DIR:GROUP,... is a boot of these groups of jobs/bench only. A figure is the mean of
all boots, +- the standard error of the difference that counts. A row whose mean is
beyond its target, but not by two of these, cannot be told from one that is within
and is said to be noise. The list of known misses, --known, has a ceiling for each
(dev/review/excuses/README): the row fails above it, also where noise would let it
pass. --run is what the lines of the list call this run, and --whole says that it
has every row of that: a line that was not needed is a failure then.

--out writes STEM.txt, the tables, STEM.json, all figures, STEM.summary, what README
and cover letter quote, and with --whole STEM.excuses, the list with the ceilings
that this run has (mean and two standard errors, rounded up), with ? for a reason
that has to be found; --text adds a file to the tables.
"""
import fnmatch
import math
import os
import re
import statistics
import sys

import common

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)),
                             "../review/excuses"))
import excuses  # noqa: E402

# What the rows are, the rows, what off may cost more than n, and on more than
# its base, in percent (None: no target), and what that base is. The first that
# fits counts.
TARGETS = (
    ("uncontended lock", "pair.*", 0.0, 0.0, "n"),
    ("context switch", "switch.*", 0.3, 0.5, "n"),
    ("contended, owner sleeps", "contend.*.sleep.*.op", 0.3, 10.0, "off"),
    ("contended, other", "contend.*.op", 0.3, 5.0, "off"),
    # One wait of some thousand is luck; see MEANS.
    ("longest wait", "contend.*.longest", None, 40.0, "off"),
    ("cyclictest", "cyclictest.*", None, 1.0, "off"),
    ("perf messaging", "perf.*", 0.3, 1.0, "n"),
    ("hackbench", "hackbench.*", 0.3, 1.0, "n"),
    ("wakeup latency", "wake.*", 0.3, 1.0, "n"),
    ("fork, exec", "process.*", 0.3, 1.0, "n"),
    ("file system", "files.*", 0.3, 1.0, "n"),
    ("network", "net.*", 0.3, 1.0, "n"),
)
# What is judged as a whole: the rows, as one, what on may cost more than off
MEANS = (
    ("longest wait, all rows", "contend.*.longest", "contend.longest", 0.0),
)
# Printed, not judged: no number of boots that we can afford tells
UNJUDGED = {
    "cyclictest.max": "one wakeup of some thousand; off and n, which do the same, "
                      "differ by as much as on and off",
    "wake.32.p99": "longest waits of 32 workers on 4 CPUs: on/n is +8.4 over eight "
                   "boots and -2.6 over nine others",
}
# What rows the groups of jobs/bench have, where they are called otherwise
GROUPS = {"messages": ("perf", "hackbench"), "wakeup": ("wake", "cyclictest")}
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


def planned(directory):
    """DIR or DIR:GROUP,...: the directory, and what a row of it may begin with"""
    path, _, groups = directory.rpartition(":")
    if not path or os.path.isdir(directory):
        return directory, None
    return path, [word for group in groups.split(",")
                  for word in GROUPS.get(group, (group,))]


def rows(dirs):
    """Those of all boots that have the group; one that such a boot does not have is
    left out, but for scenes, which the first plays."""
    boots = [(parse(common.read(path)), words)
             for path, words in map(planned, dirs)]
    found = {}
    for name in boots[0][0] if boots else ():
        mine = [boot for boot, words in boots
                if words is None or name.split(".")[0] in words]
        if all(name in boot for boot in mine) or name.startswith("cure."):
            found[name] = [v for boot in mine for v in boot.get(name, ())]
    return found


def percent(value, base):
    return 100.0 * (value - base) / base if base else 0.0


def difference(values, base):
    """Of the means, in percent, and its standard error."""
    mean = statistics.mean(base)
    d = percent(statistics.mean(values), mean)
    if len(values) < 2 or len(values) != len(base) or not mean:
        return d, 0.0
    return d, standard_error([100.0 * (v - b) / mean for v, b in zip(values, base)])


def standard_error(each):
    return statistics.stdev(each) / math.sqrt(len(each)) if len(each) > 1 else 0.0


def difference_of_all(rows_of, bases):
    """Of the rows as one, in percent, and its standard error: boot by boot, because
    what differs between boots differs for all rows"""
    each = [statistics.mean(100.0 * (v - b) / statistics.mean(base)
                            for (v, b), base in zip(pairs, bases))
            for pairs in zip(*(zip(v, b) for v, b in zip(rows_of, bases)))]
    return statistics.mean(each), standard_error(each)


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


class Report:
    def __init__(self, known, two=False, run="full"):
        self.known = known
        self.two = two
        self.run = run
        self.met = 0
        self.missed = {}        # row -> by what
        self.failed = []        # those without an excuse, or above its ceiling
        self.lines = []
        self.reasons = []       # of the known misses
        self.groups = {}        # label -> figures of its rows
        self.beyond = []        # (row, comparison, figure, error, excuse) of a miss

    def judge_one(self, name, what, value, error, most):
        """(word, by what): ok, noise, known or MISSED"""
        told = judge(value, error, most)
        if not told:
            return "ok", ""
        excuse = self.known.find(self.run, name, what)
        if not excuse and told == "noise":
            return "noise", ""
        said = f"{what} {value:+.2f}"
        self.beyond.append((name, what, value, error, excuse))
        if not excuse:
            return "MISSED", said
        if excuse.ceiling is None:
            return "MISSED", said + " (its ceiling is not measured)"
        said += f" (ceiling {excuse.measured})"
        if value > excuse.ceiling + 1e-9:
            return "MISSED", said
        self.reasons.append(f"known: {name}: {said}: {excuse.reason}")
        return "known", said

    def verdict(self, name, figures):
        """Judge (comparison, value, error, most) of a row; the word for the table"""
        found = [self.judge_one(name, *figure) for figure in figures]
        words = [word for word, _ in found]
        if "MISSED" not in words and "known" not in words:
            self.met += 1
            return "ok (noise)" if "noise" in words else "ok"
        self.missed[name] = ", ".join(said for _, said in found if said)
        word = "MISSED" if "MISSED" in words else "known"
        if word == "MISSED":
            self.failed.append(name)
        return f"{word}: {self.missed[name]}"

    def idle(self):
        """What the list has for this run and no row needed, as failures. Where a row
        is missing it may be the one."""
        if "no figures" in self.missed.values():
            return
        for excuse in self.known.unused():
            if fnmatch.fnmatchcase(self.run, excuse.patterns[0]):
                self.failed.append("excuse " + excuse.key.replace("\t", " "))
                self.lines.append(excuse.idle())

    def proposed(self):
        """The list, with the ceilings that this run has"""
        lines = self.known.head + [e.text for e in self.known.all
                                   if not fnmatch.fnmatchcase(self.run, e.patterns[0])]
        for name, what, value, error, excuse in self.beyond:
            most = value + 2 * error
            most = (f"{math.ceil(10 * most - 1e-6) / 10:.1f}"
                    if math.isfinite(most) else "?")
            lines.append("\t".join((self.run, name, what, most,
                                    excuse.reason if excuse else "?")))
        return "\n".join(lines) + "\n"

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
        self.means(off, on)

    def means(self, off, on):
        for label, pattern, name, most in () if self.two else MEANS:
            found = [row for row in on if row in off and fnmatch.fnmatch(row, pattern)]
            if not found:
                continue
            d, e = difference_of_all([on[row] for row in found],
                                     [off[row] for row in found])
            said = self.verdict(name, [("on/off", d, e, most)])
            self.groups[label] = [(name, None, d)]
            self.lines.append("%-36s %12s %12s %12s %7s %+7.2f %5.1f  %s" % (
                name, "", "", "", "", d, e, f"{most:g} off: {said}"))

    def cost(self, name, n, off, on):
        d_off, e_off = difference(off, n) if n else (0.0, 0.0)
        d_on, e_on = difference(on, off)
        word = ""
        entry = None if self.two or name in UNJUDGED else target(name)
        if name in UNJUDGED and not self.two:
            word = "not judged"
            self.reasons.append(f"not judged: {name}: {UNJUDGED[name]}")
        if entry:
            label, _, most_off, most_on, base = entry
            d, e = d_on, e_on
            if base == "n" and n:
                d, e = difference(on, n)
            e_on = e
            said = self.verdict(name, (
                ("off/n", d_off, e_off, most_off if n else None),
                (f"on/{base}", d, e, most_on)))
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
                    "growth.flat", [("ratio", ratio, 0.0, FLAT)])))
        for nr, value in sorted(at(on, "moved").items()):
            name = f"growth.moved.{nr}"
            self.lines.append("%-36s %25.2f  %s" % (
                name, value, f"{MOVES:g}: " + self.verdict(
                    name, [("moved", value, 0.0, MOVES)])))

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

    def summary(self, boots):
        """What README and cover letter say: by kind of row. @boots: name -> how many"""
        def span(values):
            values = [v for v in values if v is not None]
            if not values:
                return "-", "-"
            return f"{statistics.mean(values):+.2f}", f"{max(values):+.2f}"

        lines = [f"{'percent':<23} {'rows':>4}  {'off over n':^15}  {'on':^15} "
                 f"{'over':<4} {'most':>4}  missed",
                 f"{'':<23} {'':>4}  {'mean':>7} {'worst':>7}  "
                 f"{'mean':>7} {'worst':>7}", "-" * 79]
        labels = [(label, most, base) for label, _, _, most, base in TARGETS]
        for label, pattern, _, most in MEANS:
            # after its rows
            place = [p for _, p, *_ in TARGETS].index(pattern) + 1
            labels.insert(place, (label, most, "off"))
        for label, most, base in labels:
            found = self.groups.get(label)
            if not found:
                continue
            bad = sum(name in self.missed for name, _, _ in found)
            off, on = (span([f[i] for f in found]) for i in (1, 2))
            lines.append(f"{label:<23} {len(found):>4}  {off[0]:>7} {off[1]:>7}  "
                         f"{on[0]:>7} {on[1]:>7} {base:<4} {most:>4g}  "
                         f"{bad or '-'}")
        usual = boots.pop("", 0)
        more = "".join(f", {name} {n}" for name, n in boots.items() if n != usual)
        lines += ["", f"Means of {usual} boots{more}, in virtual time; most: what on may "
                  "cost,", "off may cost 0.3, an uncontended lock nothing. missed: rows "
                  "beyond that by two", "standard errors, or at all if "
                  "dev/review/excuses/bench has a ceiling for them."]
        if self.failed:
            lines.append(f"{len(self.failed)} fail.")
        return "\n".join(lines) + "\n"


def boots(dirs):
    """How many each group has; "": those that most have"""
    count = {}
    for d in dirs:
        for word in (planned(d)[1] or ["all"]):
            count[word] = count.get(word, 0) + 1
    return {"": statistics.mode(count.values()) if count else 0, **count}


def arguments():
    parser = common.parser(__doc__)
    parser.add_argument("--out", metavar="STEM")
    parser.add_argument("--known", action="store_true")
    parser.add_argument("--run", metavar="NAME", default="full")
    parser.add_argument("--whole", action="store_true")
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
    try:
        known = excuses.Excuses("bench", None if args.known else "")
    except excuses.Error as error:
        common.fail(error)
    report = Report(known, two, args.run)
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
    if args.whole:
        report.idle()
    report.lines += report.reasons
    text = "\n".join(line.rstrip() for line in report.lines) + "\n"
    print(text, end="")
    if args.out:
        with open(args.out + ".txt", "w") as f:
            f.write(text)
        common.write_json(args.out + ".json", {
            "rows": data, "missed": report.missed, "failed": report.failed})
        with open(args.out + ".summary", "w") as f:
            f.write(report.summary(boots(dirs.get("on", []))))
        if args.whole:
            with open(args.out + ".excuses", "w") as f:
                f.write(report.proposed())
    accepted = sum(name not in report.failed for name in report.missed)
    print(f"bench: {report.met} passed, {len(report.failed)} failed, "
          f"{accepted} skipped" if accepted else
          f"bench: {report.met} passed, {len(report.failed)} failed")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
