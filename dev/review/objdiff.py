#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Which functions of two builds differ in their instructions?

    dev/review/objdiff.py DIR_A DIR_B OBJECT...

Prints "OBJECT FUNCTION" for each that does. Addresses do not count, nor where in
its section something is that an instruction refers to: both move when anything in
front of them changes its size.
"""
import os
import re
import subprocess
import sys

# A reference to a section, which is to something local in there
SECTION = re.compile(r"(\.(?:text|data|rodata|bss|init|exit|altinstr|static_call|"
                     r"ref|sched|noinstr|spinlock|cpuidle|irqentry|head)[\w.]*)"
                     r"[+-]0x[0-9a-f]+")
# Names that the preprocessor numbers
COUNTED = re.compile(r"(__UNIQUE_ID_\w*?)[0-9]+\b")
FUNCTION = re.compile(r"^(?:[0-9a-f]+ )?<([^>]+)>:$")
# Where a relocation has yet to say where, objdump names what happens to be next.
RELOCATION = re.compile(r"^R_[A-Z0-9]+_")
TARGET = re.compile(r" <[^>]*>$")
PADDING = re.compile(r"^(nop|xchg %ax,%ax|cs nopw|data16|int3)")


def functions(text):
    """The instructions of each function, from objdump's words. What the compiler
    has made of one, its cold parts and its clones, counts as part of it."""
    found, body = {}, None

    def end():
        # Up to the next function
        while body and PADDING.match(body[-1]):
            body.pop()

    for line in text.splitlines():
        m = FUNCTION.match(line)
        if m:
            end()
            body = found.setdefault(m[1].split(".")[0], [])
        elif line[:1].isspace() and line.strip() and body is not None:
            line = SECTION.sub(r"\1", " ".join(line.split()))
            if body and RELOCATION.match(line):
                body[-1] = TARGET.sub("", body[-1])
            body.append(COUNTED.sub(r"\1", line))
    end()
    return found


def disassembled(path):
    if not os.path.exists(path):
        return {}
    run = subprocess.run(["objdump", "-dr", "--no-show-raw-insn",
                          "--no-addresses", path],
                         capture_output=True, text=True, check=False)
    if run.returncode:
        sys.exit(f"objdiff: {run.stderr.strip()}")
    return functions(run.stdout)


def different(a, b):
    """The names of functions that are not the same in both, sorted"""
    return sorted(name for name in {*a, *b} if a.get(name) != b.get(name))


def main():
    if len(sys.argv) < 4:
        print("usage: dev/review/objdiff.py DIR_A DIR_B OBJECT...", file=sys.stderr)
        return 2
    dirs = sys.argv[1:3]
    for d in dirs:
        if not os.path.isdir(d):
            sys.exit(f"objdiff: {d}: no such directory")
    for name in sys.argv[3:]:
        paths = [os.path.join(d, name) for d in dirs]
        if not any(os.path.exists(path) for path in paths):
            sys.exit(f"objdiff: {name}: in neither directory")
        a, b = (disassembled(path) for path in paths)
        for function in different(a, b):
            print(name, function)
    return 0


if __name__ == "__main__":
    sys.exit(main())
