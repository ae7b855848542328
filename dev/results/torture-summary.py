#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What dev/stress/torture.sh came to, by scenario, as the cover letter has it.

    dev/results/torture-summary.py RUNS SECONDS SEED PASSED FAILED

RUNS has a line a run: scenario, kernel, acquisitions, the columns of torture.sh,
and "reason=count,..." of what was degraded. No report in the log is one of the
checks that passed and failed count.
"""
import common

COLUMNS = "donations migrated asleep running blocked injected handoffs placed_anew"
SHOWN = "acquired donations migrated parked injected handoffs degraded".split()
KERNELS = {"debug-on": "lockdep", "kasan-on": "KASAN", "kcsan-on": "KCSAN",
           "watch-on": "watchdogs"}


class Row(dict):
    """Sums of one scenario, or of all"""
    def __init__(self):
        super().__init__(dict.fromkeys(SHOWN, 0))
        self.reasons = {}

    def add(self, words):
        count = dict(zip(COLUMNS.split(), map(int, words[1:-1])))
        for name in ("donations", "migrated", "injected", "handoffs"):
            self[name] += count[name]
        self["acquired"] += int(words[0])
        self["parked"] += (count["asleep"] + count["running"] +
                           count["blocked"])
        if words[-1] == "-":
            return
        for word in words[-1].split(","):
            reason, n = word.split("=")
            self.reasons[reason] = self.reasons.get(reason, 0) + int(n)
            self["degraded"] += int(n)

    def text(self, name):
        cells = [self[column] for column in SHOWN]
        # A test of its own counts none.
        cells[0] = cells[0] or "-"
        return f"{name:13}" + "".join(f"{c:>9}" for c in cells)


def total_of(rows):
    total = Row()
    for row in rows.values():
        for name in SHOWN:
            total[name] += row[name]
        for reason, n in row.reasons.items():
            total.reasons[reason] = total.reasons.get(reason, 0) + n
    return total


def summary(lines, seconds, seed, passed, failed):
    rows, kernels = {}, []
    for line in lines:
        scenario, kernel, *rest = line.split()
        if len(rest) != 2 + len(COLUMNS.split()):
            common.fail(f"not a run: {line.strip()}")
        rows.setdefault(scenario, Row()).add(rest)
        if kernel not in kernels:
            kernels.append(kernel)
    if not rows:
        common.fail("no runs")
    total = total_of(rows)
    names = [KERNELS.get(k, k) for k in sorted(kernels)]
    where = " and ".join([", ".join(names[:-1]), names[-1]]
                         if len(names) > 1 else names)
    reasons = ", ".join(f"{reason} {n}" for reason, n in
                        sorted(total.reasons.items(), key=lambda i: -i[1]))
    minutes = round(int(seconds) * len(lines) / 60)
    return "\n".join([
        f'"make torture MINUTES={minutes} SEED={seed}": {len(rows)} scenarios for '
        f"{seconds} s each on kernels",
        f"with {where}: {passed} passed, {failed} failed.",
        "4 CPUs that are threads of a busy host; counted over the kernels:", "",
        " " * 13 + "".join(
            f"{c.replace('donations', 'donated'):>9}" for c in SHOWN),
        *(row.text(name) for name, row in rows.items()),
        total.text("all"), "",
        f"Degraded: {reasons or 'none'}.",
        "Passed over are data races of the base that KCSAN reports;",
        "dev/review/excuses/kcsan has each of them with its reason.", ""])


def main():
    parser = common.parser(__doc__)
    for name in "runs seconds seed passed failed".split():
        parser.add_argument(name, metavar=name.upper())
    args = parser.parse_args()
    print(summary(common.read(args.runs).splitlines(), args.seconds, args.seed,
                  args.passed, args.failed), end="")


if __name__ == "__main__":
    main()
