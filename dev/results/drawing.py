# SPDX-License-Identifier: GPL-2.0
"""Views as an SVG."""
import collections
import html

from view import STATE_TEXT, ms

STYLE = """
.tl{font:11px 'DejaVu Sans','Segoe UI',Helvetica,Arial,sans-serif}
.tl .bg{fill:#fff}.tl text{fill:#212529}.tl .dim{fill:#6c757d}
.tl .h1{font-size:16px;font-weight:bold}.tl .h2{font-size:13px;font-weight:bold}
.tl .h3{font-size:12px}.tl .in{fill:#fff}.tl .dark{fill:#212529}
.tl .grid{stroke:#dee2e6;stroke-width:1}.tl .lane{fill:#f8f9fa}
.tl .w{fill:#e8590c}.tl .o0{fill:#1c7ed6}.tl .o1{fill:#7048e8}
.tl .o2{fill:#0c8599}.tl .o3{fill:#2b8a3e}.tl .w1{fill:#f08c00}
.tl .g0{fill:#adb5bd}.tl .g1{fill:#ced4da}.tl .g2{fill:#bac3cc}
.tl .g3{fill:#dbe0e5}.tl .other{fill:#e9ecef}
.tl .asleep{fill:#ffd8a8}.tl .parked{fill:#ffe8a3}.tl .away{fill:#ffc9c9}
.tl .queued{fill:#b2f2bb}.tl .ready{fill:#fff;stroke:#c92a2a;stroke-width:1.4}
.tl .zoom{fill:#868e96;fill-opacity:.15}
.tl .arrow{fill:none;stroke:#c92a2a;stroke-width:1.3}
.tl .give{fill:none;stroke:#2b8a3e;stroke-width:1.6}
.tl .tip{fill:#c92a2a}.tl .tipg{fill:#2b8a3e}
.tl .bad{fill:#c92a2a;font-weight:bold}.tl .good{fill:#2b8a3e;font-weight:bold}
"""
DARK = """
.tl .bg{fill:#16191d}.tl text{fill:#e9ecef}.tl .dim{fill:#adb5bd}
.tl .in{fill:#fff}.tl .dark{fill:#212529}.tl .grid{stroke:#373d44}
.tl .lane{fill:#1e2227}.tl .g0{fill:#ced4da}.tl .g1{fill:#9aa2aa}
.tl .g2{fill:#b4bbc2}.tl .g3{fill:#868e96}.tl .other{fill:#343a40}
.tl .ready{fill:#16191d;stroke:#ff8787}.tl .arrow{stroke:#ff8787}
.tl .tip{fill:#ff8787}.tl .bad{fill:#ff8787}.tl .give{stroke:#69db7c}
.tl .tipg{fill:#69db7c}.tl .good{fill:#69db7c}
"""

WIDTH, LEFT, RIGHT = 1240, 150, 20
CPU_H, TASK_H, GAP = 30, 22, 4
BETWEEN = 14	# task lanes, room for an arrow


def ticks(t0, t1, most=10):
    """Round steps"""
    step = 1e-3
    while (t1 - t0) / step > most:
        step *= 2.5 if f"{step:.0e}"[0] == "2" else 2
    value = -(-t0 // step) * step
    while value <= t1:
        yield value, step
        value += step


class Svg:
    def __init__(self):
        self.parts = []
        self.y = 0

    def add(self, text):
        self.parts.append(text)

    def text(self, x, y, words, cls="", anchor=""):
        attrs = f' class="{cls}"' if cls else ""
        attrs += f' text-anchor="{anchor}"' if anchor else ""
        self.add(f'<text x="{x:.1f}" y="{y:.1f}"{attrs}>'
                 f"{html.escape(words)}</text>")

    def rect(self, x, y, width, height, cls, tip=""):
        tip = f"<title>{html.escape(tip)}</title>" if tip else ""
        self.add(f'<rect x="{x:.2f}" y="{y:.1f}" width="{max(width, .4):.2f}" '
                 f'height="{height}" class="{cls}"'
                 + (f">{tip}</rect>" if tip else "/>"))

    def done(self, inline=False):
        body = "\n".join(self.parts)
        dark = f"@media (prefers-color-scheme:dark){{{DARK}}}"
        return (f'<svg xmlns="http://www.w3.org/2000/svg" class="tl" '
                f'viewBox="0 0 {WIDTH} {self.y}" width="{WIDTH}" '
                f'height="{self.y}" role="img">\n<style>{STYLE}'
                f'{dark}</style>\n'
                f'<rect class="bg" width="{WIDTH}" height="{self.y}"/>\n'
                f"{body}\n</svg>\n")


def fits(words, width):
    """As much of a label as there is room for, and as makes sense"""
    short = words.split(" ")[0]
    for some in (words, "" if short == "wants" else short):
        if len(some) * 6.6 + 6 <= width:
            return some
    return ""


class Panel:
    def __init__(self, svg, view, t0, t1, greys):
        self.svg, self.view, self.line = svg, view, view.line
        self.t0, self.t1 = t0, t1
        self.scale = (WIDTH - LEFT - RIGHT) / (t1 - t0)
        self.classes = {}
        for i, pid in enumerate(reversed(view.owners)):
            self.classes[pid] = f"o{i % 4}"
        for pid in view.tasks:
            self.classes.setdefault(
                pid, "w" if view.wait and pid == view.wait.pid else "w1")
        names = collections.Counter(self.line.comm.get(pid) for pid in
                                    view.tasks + view.hogs)
        self.twice = {name for name, count in names.items() if count > 1}
        # The same name is of the same grey in all panels.
        for pid in view.hogs:
            grey = greys.setdefault(self.name(pid), len(greys))
            self.classes[pid] = f"g{grey % 4}"

    def name(self, pid):
        """As short as it can be told from the others by"""
        comm = self.line.comm.get(pid, "?")
        return self.line.task(pid) if comm in self.twice else comm

    def x(self, t):
        return LEFT + (min(max(t, self.t0), self.t1) - self.t0) * self.scale

    def draw(self, title, headline, cls):
        svg, view = self.svg, self.view
        svg.y += 30
        svg.text(10, svg.y, title, "h2")
        if headline:
            svg.text(10, svg.y + 18, headline, "h3 " + cls)
            svg.y += 18
        svg.y += 10
        top = svg.y
        lanes = []
        for cpu in view.cpus:
            lanes.append((svg.y, CPU_H, f"CPU {cpu}", cpu))
            svg.y += CPU_H + GAP
        svg.y += 8
        self.lane_of = {}
        for pid in view.tasks:
            lanes.append((svg.y, TASK_H, self.line.task(pid), None))
            self.lane_of[pid] = svg.y
            svg.y += TASK_H + BETWEEN
        bottom = svg.y - BETWEEN + 4
        for y, height, words, _ in lanes:
            svg.rect(LEFT, y, WIDTH - LEFT - RIGHT, height, "lane")
            svg.text(LEFT - 8, y + height / 2 + 4, words, "", "end")
        for t, step in ticks(self.t0 - view.origin, self.t1 - view.origin):
            x = self.x(t + view.origin)
            svg.add(f'<line class="grid" x1="{x:.1f}" y1="{top}" '
                    f'x2="{x:.1f}" y2="{bottom}"/>')
            digits = 0 if step >= 1 else 1 if step >= .1 else 3
            svg.text(x, bottom + 12, "0 ms" if abs(t) < step / 2 else
                     f"{t:.{digits}f}", "dim", "middle")
        for y, _, _, cpu in lanes:
            if cpu is not None:
                self.draw_cpu(y, cpu)
        for pid, y in self.lane_of.items():
            self.draw_task(y, pid)
        self.draw_arrows()
        svg.y = bottom + 20

    def draw_cpu(self, y, cpu):
        line = self.line
        last = None		# right edge and class of what was drawn
        for run in sorted((run for run in line.runs if run.cpu == cpu),
                          key=lambda run: run.t0):
            if not run.pid or run.t1 <= self.t0 or run.t0 >= self.t1:
                continue
            x, width = self.x(run.t0), self.x(run.t1) - self.x(run.t0)
            cls = self.classes.get(run.pid, "other")
            # Too narrow to be seen beside what is there already
            if width < .35 and cls == "other" and last and x - last < .7:
                continue
            last = x + width
            words = self.name(run.pid)
            tip = (f"{line.task(run.pid)}, {ms(run.t1 - run.t0)} ms from "
                   f"{ms(run.t0 - self.view.origin)} ms")
            if run.donor:
                donor = self.name(run.donor)
                tip = (f"{line.task(run.pid)} on the time of "
                       f"{line.task(run.donor)}, {ms(run.t1 - run.t0)} ms "
                       f"from {ms(run.t0 - self.view.origin)} ms")
                words += f" for {donor}"
                self.svg.rect(x, y, width, CPU_H - 9, cls, tip)
                self.svg.rect(x, y + CPU_H - 9, width, 9,
                              self.classes.get(run.donor, "w1"), tip)
            else:
                self.svg.rect(x, y, width, CPU_H, cls, tip)
            label = fits(words, width)
            if label:
                self.svg.text(x + 4, y + (14 if run.donor else 19), label,
                              "in" if cls[0] in "ow" and cls != "other"
                              else "dark" if cls != "other" else "")

    def draw_task(self, y, pid):
        line, last = self.line, None
        for state in sorted((state for state in line.states
                             if state.pid == pid), key=lambda s: s.t0):
            if state.t1 <= self.t0 or state.t0 >= self.t1:
                continue
            what = state.what
            if what == "sleep":
                continue
            x, width = self.x(state.t0), self.x(state.t1) - self.x(state.t0)
            words = STATE_TEXT.get(what, what)
            if what == "queued" and state.cpu is not None:
                words += f" on CPU {state.cpu}"
            if what == "run":
                words = f"runs on CPU {state.cpu}"
            if what == "ready":
                words += self.instead(state)
            tip = (f"{line.task(pid)}: {words}, {ms(state.t1 - state.t0)} ms "
                   f"from {ms(state.t0 - self.view.origin)} ms")
            cls = self.classes[pid] if what == "run" else what
            if len(words) * 6.6 > width:
                words = words.split(":")[0]
            self.svg.rect(x, y, width, TASK_H, cls, tip)
            label = fits(words, width)
            if label and (last is None or x - last > 2 or width > 60):
                self.svg.text(x + 4, y + 15, label,
                              "in" if what == "run" else
                              "" if what == "ready" else "dark")
            last = x + width

    def instead(self, state):
        """Who runs while a task wants to"""
        names = [self.name(pid) for pid in self.view.hogs
                 if sum(run.overlap(state.t0, state.t1)
                        for run in self.line.by_task[pid]
                        if run.cpu == state.cpu) > .1 * (state.t1 - state.t0)]
        if state.cpu is None or state.t1 - state.t0 < 1:
            return ""
        busy = sum(run.overlap(state.t0, state.t1) for run in self.line.runs
                   if run.cpu == state.cpu and run.pid)
        if not names and busy < .2 * (state.t1 - state.t0):
            return f": CPU {state.cpu} is idle, out of bandwidth"
        runs = "runs" if len(names) == 1 else "run"
        return f": {' and '.join(names)} {runs} instead" if names else ""

    def draw_arrows(self):
        """From who waits to whom it waits for, and back when it gets it"""
        for wait in self.view.waits:
            y = self.lane_of.get(wait.pid)
            shown = [(ts, pid) for ts, pid in wait.owners
                     if pid in self.lane_of]
            if y is None or wait.t1 <= self.t0 or wait.t0 >= self.t1:
                continue
            for i, (ts, pid) in enumerate(shown):
                if ts < self.t0 or (i and i < len(shown) - 2):
                    continue
                self.arrow(self.x(ts), y, self.lane_of[pid], "arrow", "tip")
            until = wait.handoff or wait.wake or wait.t1
            if shown and self.t0 < until < self.t1 and not wait.open:
                self.arrow(self.x(until), self.lane_of[shown[-1][1]], y,
                           "give", "tipg")

    def arrow(self, x, y0, y1, cls, tip):
        down = y1 > y0
        y0 += TASK_H if down else 0
        y1 += -1 if down else TASK_H + 1
        self.svg.add(f'<path class="{cls}" d="M{x:.1f} {y0:.1f}'
                     f'V{y1 - 6 if down else y1 + 6:.1f}"/>')
        self.svg.add(f'<path class="{tip}" d="M{x:.1f} {y1:.1f}l-4 '
                     f'{-7 if down else 7}h8z"/>')


LEGEND = (
    ("both", "an owner runs on a waiter's time"),
    ("ready", "wants a CPU"), ("asleep", "sleeps for a lock"),
    ("parked", "parked on an owner that needs no help now"),
    ("queued", "queued for its owner"),
)


def legend(svg, panels):
    names = {panel.name(pid): cls for panel in panels
             for pid, cls in panel.classes.items()}
    svg.y += 14
    x = 10
    # Who waits, who owns, from the waiter on, and then the others
    for words, cls in (
            sorted((item for item in names.items() if item[1][0] == "w"),
                   key=lambda item: item[1]) +
            sorted((item for item in names.items() if item[1][0] == "o"),
                   key=lambda item: item[1], reverse=True) +
            sorted((item for item in names.items() if item[1][0] == "g"),
                   key=lambda item: item[1])):
        if x + 27 + len(words) * 7 > WIDTH:
            svg.y += 20
            x = 10
        svg.rect(x, svg.y, 22, 13, cls)
        svg.text(x + 27, svg.y + 11, words)
        x += 27 + len(words) * 7 + 12
    svg.y += 22
    x = 10
    for cls, words in LEGEND:
        if cls == "both":
            svg.rect(x, svg.y, 22, 8, "o0")
            svg.rect(x, svg.y + 8, 22, 5, "w")
        else:
            svg.rect(x, svg.y, 22, 13, cls)
        svg.text(x + 27, svg.y + 11, words)
        x += 27 + len(words) * 6.4 + 18
    svg.y += 32
    x = 10
    for cls, tip, words in (("arrow", "tip", "waits for"),
                            ("give", "tipg", "gets the lock from")):
        svg.add(f'<path class="{cls}" d="M{x} {svg.y - 5}h14"/>'
                f'<path class="{tip}" d="M{x + 21} {svg.y - 5}l-7 -4v8z"/>')
        svg.text(x + 27, svg.y - 1, words)
        x += 27 + len(words) * 6.4 + 18
    svg.text(x, svg.y - 1, "0 ms: the wait begins. Point at a bar for its "
             "times.", "dim")
    svg.y += 10


def draw(views, title):
    """One panel a view, all on one scale; what gets lost on it, again larger"""
    svg = Svg()
    if title:
        svg.y += 26
        svg.text(10, svg.y, title, "h1")
    greys, panels = {}, []
    before = max(view.origin - view.t0 for view in views)
    after = max(view.t1 - view.origin for view in views)
    for i, view in enumerate(views):
        cls = "" if len(views) < 2 else "bad" if i == 0 else "good"
        t0, t1 = view.origin - before, view.origin + after
        view.cast(t0, t1)
        panel = Panel(svg, view, t0, t1, greys)
        panels.append(panel)
        panel.draw(view.label, view.headline(), cls)
        if i and view.t1 - view.t0 < (before + after) / 3:
            svg.add(f'<path class="zoom" d="M{panel.x(view.t0):.1f} '
                    f'{svg.y - 16}H{panel.x(view.t1):.1f}L{WIDTH - RIGHT} '
                    f'{svg.y + 38}H{LEFT}z"/>')
            panel = Panel(svg, view, view.t0, view.t1, greys)
            panel.draw(f"{view.label}, enlarged", "", "")
    legend(svg, panels)
    svg.y += 6
    return svg.done()
