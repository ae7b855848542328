# SPDX-License-Identifier: GPL-2.0
"""Results as HTML: figures that say where they come from, tables, plots, lists."""
import glob
import html
import json
import math
import os
import re
import statistics
import time

# Between thousands: narrow, and no place to break a line
SPACE = "\u202f"

FUNCTIONS = {"": lambda values: values[0], "mean": statistics.mean,
             "max": max, "min": min, "median": statistics.median}

STYLE = """
:root{color-scheme:light dark;--bg:#fff;--fg:#212529;--dim:#6c757d;
--line:#dee2e6;--soft:#f8f9fa;--bad:#c92a2a;--good:#2b8a3e;--mark:#1c7ed6}
@media(prefers-color-scheme:dark){:root{--bg:#16191d;--fg:#e9ecef;--dim:#adb5bd;
--line:#373d44;--soft:#1e2227;--bad:#ff8787;--good:#69db7c;--mark:#74c0fc}}
body{background:var(--bg);color:var(--fg);margin:2em auto;max-width:78em;
padding:0 1.5em;font:15px/1.5 'DejaVu Sans','Segoe UI',Helvetica,Arial,sans-serif}
h1{font-size:1.6em}h2{font-size:1.25em;margin-top:2em;
border-bottom:1px solid var(--line)}
table{border-collapse:collapse;margin:1em 0;font-size:.92em}
th,td{padding:.22em .8em;border-bottom:1px solid var(--line);text-align:left}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
tr:hover{background:var(--soft)}.bad{color:var(--bad)}.good{color:var(--good)}
.dim,figcaption{color:var(--dim);font-size:.92em}code{background:var(--soft);
padding:.1em .3em}.wide{overflow-x:auto}svg{max-width:100%;height:auto}
.big{font-size:1.15em}figure{margin:1em 0}
.many{columns:20em;padding-left:1.2em}td:not(:last-child){white-space:nowrap}
.plot text{font:12px 'DejaVu Sans','Segoe UI',Arial,sans-serif;fill:var(--fg)}
.plot .dim{fill:var(--dim)}.plot line{stroke:var(--line)}
.plot .off{fill:var(--bad);fill-opacity:.55}.plot .on{fill:var(--good);fill-opacity:.55}
.plot .med{stroke:var(--fg);stroke-width:2}
"""


def walk(data, path):
    """The values at a path; * is for all"""
    found = [data]
    for step in path.split("/") if path else []:
        after = []
        for item in found:
            if step == "*":
                after += item.values() if isinstance(item, dict) else item
            elif isinstance(item, list):
                if int(step) < len(item):
                    after.append(item[int(step)])
            elif step in item:
                after.append(item[step])
        found = after
    return found


class Results:
    def __init__(self, directory):
        self.directory = directory
        self.files = {}

    def path(self, name):
        return os.path.join(self.directory, name)

    def load(self, name):
        if name not in self.files:
            try:
                with open(self.path(name)) as file:
                    self.files[name] = json.load(file)
            except (OSError, ValueError):
                self.files[name] = None
        return self.files[name]

    def lines(self, name):
        try:
            with open(self.path(name), errors="replace") as file:
                return file.read().splitlines()
        except OSError:
            return []

    def newest(self, pattern):
        """Below the results directory, or None"""
        found = sorted(glob.glob(self.path(pattern)), key=os.path.getmtime)
        return os.path.relpath(found[-1], self.directory) if found else None

    def value(self, src):
        """function:file#path"""
        match = re.fullmatch(r"(?:(\w+):)?([^#]+)#(.*)", src)
        values = walk(self.load(match[2]), match[3])
        return FUNCTIONS[match[1] or ""](values) if values else None

    def num(self, src, digits=2, scale=1.0):
        """The element that shows it"""
        value = self.value(src)
        if value is None:
            return '<span class="dim">-</span>'
        text = f"{value / scale:,.{digits}f}".replace(",", SPACE)
        return (f'<span data-src="{html.escape(src)}" data-digits="{digits}" '
                f'data-scale="{scale:g}">{text}</span>')

    def made(self, name, command):
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(
            os.path.getmtime(self.path(name))))
        return (f'<p class="dim">{html.escape(name)}, {when}. '
                f"Again: <code>{html.escape(command)}</code></p>")


def table(head, rows, numbers=None):
    """Rows are of ready HTML; all but the first column are figures, or those
    that @numbers says"""
    numbers = numbers or [bool(i) for i in range(len(head))]

    def row(tag, cells):
        return "<tr>" + "".join(
            "<" + tag + (' class="n"' if numbers[i] else "") +
            f">{cell}</{tag}>" for i, cell in enumerate(cells)) + "</tr>"
    return ('<div class="wide"><table>' + row("th", head) +
            "\n".join(row("td", cells) for cells in rows) + "</table></div>")


def plot(rows):
    """One strip a row on a logarithmic axis: a dot each round, a line for the
    median; above off, below on"""
    width, left, height = 1000, 230, 44
    values = [v for _, *sets in rows for s in sets for v in s]
    low = math.floor(math.log10(min(values)))
    high = math.ceil(math.log10(max(values)))

    def x(value):
        return left + (math.log10(value) - low) / (high - low) * (
            width - left - 30)
    out = []
    bottom = height * len(rows) + 10
    for power in range(low, high + 1):
        at = x(10.0 ** power)
        out.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="4" y2="{bottom}"/>'
                   f'<text class="dim" x="{at:.1f}" y="{bottom + 16}" '
                   f'text-anchor="middle">{10.0 ** power:g} ms</text>')
    for i, (name, *sets) in enumerate(rows):
        y = 10 + i * height
        out.append(f'<text x="{left - 14}" y="{y + 20}" '
                   f'text-anchor="end">{html.escape(name)}</text>')
        for j, (cls, some) in enumerate(zip(("off", "on"), sets)):
            at = y + 9 + 15 * j
            for value in some:
                out.append(f'<circle class="{cls}" cx="{x(value):.1f}" '
                           f'cy="{at}" r="4"><title>{cls}: {value:.3f} ms'
                           "</title></circle>")
            if some:
                middle = x(statistics.median_high(some))
                out.append(f'<line class="med" x1="{middle:.1f}" '
                           f'x2="{middle:.1f}" y1="{at - 7}" y2="{at + 7}"/>')
    return (f'<svg class="plot" viewBox="0 0 {width} {bottom + 24}" '
            f'width="{width}" role="img" aria-label="waits off and on">'
            + "\n".join(out) + "</svg>")


def words(results, name):
    """A table of words as it is; columns of numbers are set as such"""
    lines = [line.split() for line in results.lines(name) if line.strip()]
    if not lines:
        return None
    widest = max(len(line) for line in lines)
    rows = [[f'<span data-src="words:{html.escape(name)}#{i}/{j}">' +
             # Places to break a line at, or the heads make a table wide
             re.sub("([_,])", r"\1<wbr>", html.escape(word)) +
             "</span>" for j, word in enumerate(line)] +
            [""] * (widest - len(line)) for i, line in enumerate(lines)]
    numbers = [all(len(line) <= j or re.fullmatch(r"[\d.]+|-", line[j])
                   for line in lines[1:]) for j in range(widest)]
    return table(rows[0], rows[1:], numbers)


def items(name, lines, bad, cls=""):
    """A list, with those that are @bad first"""
    return f'<ul class="{cls}">' + "".join(
        f'<li class="{"bad" if bad[i] else "good"}">'
        f'<span data-src="line:{html.escape(name)}#{i}">{html.escape(lines[i])}'
        "</span></li>" for i in sorted(range(len(lines)),
                                       key=lambda i: not bad[i])) + "</ul>"
