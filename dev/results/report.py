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
import os
import re
import time

import common
from common import NAMES
from markup import STYLE, Results, items, plot, table, words


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
