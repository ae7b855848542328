#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Put all results into one page that needs nothing else.

    dev/results/report.py [--results DIR] [--out FILE]

Takes the newest results of make demo, trace, bench, torture, mutants and model
from build/results, says of each when it was made and how to repeat it, and
leaves out what there is none of. Every figure is an element with an attribute
data-src, which says where it comes from: a function over the values at a path of
a JSON file, * for all that there are.
"""
import glob
import html
import json
import math
import os
import re
import statistics
import time

import common
from common import NAMES

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


# --- the parts ---------------------------------------------------------------

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


def demo(results):
    data = results.load("demo.json")
    if not data or not data.get("off") or not data.get("on"):
        return None
    rows, strips, best = [], [], None
    for i, off in enumerate(data["off"]):
        j = next((j for j, on in enumerate(data["on"])
                  if (on["fg"], on["owner"]) == (off["fg"], off["owner"])),
                 None)
        if j is None:
            continue
        on = data["on"][j]
        name = f"{NAMES[off['fg']]} waits for {NAMES[off['owner']]}"
        cells = [name]
        for state, at in (("off", i), ("on", j)):
            src = f"demo.json#{state}/{at}/"
            cells += [results.num(src + "remaining_p50_ns", 2, 1e6),
                      results.num(src + "latency_p50_ns", 2, 1e6),
                      results.num(src + "latency_max_ns", 2, 1e6),
                      results.num(src + "ratio_p50",
                                  1 if state == "off" else 2)]
        rows.append(cells)
        strips.append((name, *([wait / 1e6 for _, wait in
                                figures.get("waits_ns", []) if wait]
                               for figures in (off, on))))
        if not best or off["ratio_p50"] / on["ratio_p50"] > best[0]:
            best = off["ratio_p50"] / on["ratio_p50"], i, j, name
    text = ""
    if best:
        _, i, j, name = best
        text = ('<p class="big">' + html.escape(name[0].upper() + name[1:]) +
                ': <span class="bad">' +
                results.num(f"demo.json#off/{i}/latency_p50_ns", 1, 1e6) +
                ' ms</span> without proxy execution, <span class="good">' +
                results.num(f"demo.json#on/{j}/latency_p50_ns", 2, 1e6) +
                " ms</span> with it; the shortest possible is " +
                results.num(f"demo.json#on/{j}/remaining_p50_ns", 2, 1e6) +
                " ms.</p>")
    if any(some for _, *sets in strips for some in sets):
        text += ("<figure>" + plot(strips) + "<figcaption>Each dot is one wait "
                 "for a lock, above without and below with proxy execution; the "
                 "line is the median. The axis is logarithmic."
                 "</figcaption></figure>")
    text += table(["ms", "off: left", "wait p50", "wait max", "ratio",
                   "on: left", "wait p50", "wait max", "ratio"], rows)
    text += ('<p class="dim">left: what the owner still had to do when the wait '
             "began, the shortest possible wait; ratio: wait / left, 1.00 cannot "
             "be beaten.</p>")
    return text + results.made("demo.json", "make demo")


def scenes(results):
    data = results.load("scenes.json")
    if not data:
        return None
    names = list(dict.fromkeys(name for boot in data["on"] for name in boot))
    missed = " ".join(data.get("missed", []))
    rows = []
    for name in names:
        # Of these only the hand-over counts, see dev/results/scenes-report.py
        if name.startswith("handoff"):
            continue
        rows.append([
            html.escape(data.get("labels", {}).get(name, name)),
            results.num(f"mean:scenes.json#off/*/{name}/ratio_mean", 0),
            results.num(f"mean:scenes.json#on/*/{name}/ratio_mean", 2),
            results.num(f"max:scenes.json#on/*/{name}/ratio_max", 2), "1.00",
            results.num(f"scenes.json#targets/{name}", 2)])
    text = table(["wait / what the owner had left", "off", "on", "on, worst",
                  "shortest possible", "target for on"], rows)
    rows = [[name.replace("handoff_", "hand-off, ") + " CPU",
             results.num(f"mean:scenes.json#off/*/{name}/handoff_ns", 1, 1e3),
             results.num(f"mean:scenes.json#on/*/{name}/handoff_ns", 1, 1e3),
             results.num(f"max:scenes.json#on/*/{name}/handoff_max_ns", 1,
                         1e3)]
            for name in names if name.startswith("handoff")]
    if rows:
        text += table(["us from unlock to the waiter, the owner goes on "
                       "computing", "off", "on", "on, worst"], rows)
    if missed:
        text += '<p class="bad">Missed: ' + html.escape(missed) + "</p>"
    else:
        text += '<p class="good">All targets are met.</p>'
    return text + results.made("scenes.json", "make demo")


def pictures(results):
    found = sorted(glob.glob(results.path("trace-*.svg")),
                   key=os.path.getmtime, reverse=True)
    text = ""
    for path in found[:3]:
        name = os.path.basename(path)[:-4]
        with open(path) as file:
            svg = file.read()
        figures = results.load(name + ".figures.json") or []
        cells = [[html.escape(each["label"]),
                  results.num(f"{name}.figures.json#{i}/wait_ms", 2),
                  results.num(f"{name}.figures.json#{i}/ran_ms", 2),
                  results.num(f"{name}.figures.json#{i}/ratio", 2)]
                 for i, each in enumerate(figures) if each.get("ratio")]
        text += (f"<figure class=\"wide\">{svg}</figure>" +
                 table(["", "wait, ms", "owner ran, ms", "ratio"], cells) +
                 results.made(name + ".svg",
                              "make trace K=" + name[len("trace-"):]))
    return text or None


def bench(results):
    file = "../bench/bench.json"
    data = results.load(file)
    if not data:
        return None
    rows = []
    for name in data["rows"].get("on", {}):
        base = [f"mean:{file}#rows/{kind}/{name}/*"
                for kind in ("n", "off", "on")]
        n, off, on = (results.value(src) for src in base)
        verdict = data["missed"].get(name)
        rows.append([html.escape(name)] +
                    [results.num(src, 2 if max(n or 0, on or 0) < 1e4 else 0)
                     for src in base] +
                    [f"{100 * (off - n) / n:+.2f}" if n and off else "-",
                     f"{100 * (on - off) / off:+.2f}" if off and on else "-",
                     f'<span class="bad">{html.escape(verdict)}</span>'
                     if verdict else '<span class="good">ok</span>'])
    return (table(["ns", "not built in", "off", "on", "off, %", "on, %",
                   "target"], rows) + results.made(file, "make bench"))


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


def torture(results):
    name = results.newest("*-torture/table")
    text = name and words(results, name)
    return text and text + results.made(name, "make torture")


def mutants(results):
    name = results.newest("*-mutants/table")
    lines = results.lines(name) if name else []
    if not lines:
        return None
    bad = ["NOT" in line for line in lines]
    return (f"<p>{bad.count(False)} of {len(lines)} as they should be: a "
            "planted fault is noticed by the test that is for it, and without "
            "one the tests are content.</p>" +
            items(name, lines, bad, "many") +
            results.made(name, "make mutants"))


def items(name, lines, bad, cls=""):
    """A list, with those that are @bad first"""
    return f'<ul class="{cls}">' + "".join(
        f'<li class="{"bad" if bad[i] else "good"}">'
        f'<span data-src="line:{html.escape(name)}#{i}">{html.escape(lines[i])}'
        "</span></li>" for i in sorted(range(len(lines)),
                                       key=lambda i: not bad[i])) + "</ul>"


def model(results):
    name = "../model/table"
    lines = results.lines(name)
    if not lines:
        return None
    return (items(name, lines, [not line.startswith("ok") for line in lines]) +
            results.made(name, "make model"))


def versions(results):
    newest = results.newest("*/verdict.json")
    if not newest:
        return ""
    directory = os.path.dirname(newest)
    found = {}
    for line in results.lines(directory + "/results"):
        match = re.match(r"@@(uname|cmdline) (.*)", line.strip())
        if match:
            found[match[1]] = match[2]
    source = " ".join(results.lines(directory + "/source.id")[:1])
    rows = [["kernel", html.escape(found.get("uname", "-"))],
            ["series", html.escape(source.replace("source ", "") or "-")],
            ["boot line", html.escape(found.get("cmdline", "-"))],
            ["page made", time.strftime("%Y-%m-%d %H:%M")]]
    return table(["", "of the newest run"], rows, [False, False])


PARTS = (
    ("How long a task waits for a lock", demo, "make demo"),
    ("Every kind of inversion", scenes, "make demo"),
    ("Seen from the events", pictures, "make trace"),
    ("What it costs", bench, "make bench"),
    ("Torture", torture, "make torture"),
    ("Do the tests notice faults?", mutants, "make mutants"),
    ("The model of the protocol", model, "make model"),
)


def page(results):
    body, missing, n = [], [], 0
    for title, part, command in PARTS:
        text = part(results)
        if text:
            n += 1
            body.append(f"<h2>{title}</h2>\n{text}")
        else:
            missing.append((title, command))
    if missing:
        body.append("<h2>Not in here</h2><ul>" + "".join(
            f"<li>{title}: <code>{command}</code> has not been run</li>"
            for title, command in missing) + "</ul>")
    return n, (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        "<title>Proxy execution for Linux 6.12: results</title>"
        # Without it a browser asks for one
        '<link rel="icon" href="data:,">'
        f"<style>{STYLE}</style></head><body>\n"
        "<h1>Proxy execution for Linux 6.12: results</h1>\n" +
        versions(results) + "\n".join(body) + "\n</body></html>\n")


def main():
    top = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
    build = os.environ.get("BUILD", os.path.join(top, "build"))
    parser = common.parser(__doc__)
    parser.add_argument("--results", default=os.path.join(build, "results"))
    parser.add_argument("--out")
    args = parser.parse_args()
    n, text = page(Results(args.results))
    if not n:
        common.fail(f"no results in {args.results}: run 'make demo' first")
    out = args.out or os.path.join(args.results, "report.html")
    with open(out, "w") as file:
        file.write(text)
    print(f"{out}: {n} of {len(PARTS)} parts")


if __name__ == "__main__":
    main()
