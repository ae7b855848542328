#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Run QEMU; if it does not end in time, ask the guest why before it goes.

    dev/guest/guard.py DIR SECONDS SYSTEM.MAP COMMAND...

COMMAND is a QEMU whose monitor listens on DIR/monitor.sock and whose first
serial port, logged to DIR/console, on DIR/console.sock. When SECONDS are over:

  DIR/last       the last line on the console by then
  DIR/registers  where every CPU is, by the kernel's symbols, and its registers
  DIR/console    goes on with what sysrq says of the CPUs (l), held locks (d),
                 blocked tasks (w), all tasks (t), timers (q) and the trace
                 buffer (z), as far as the guest still answers

Then QEMU is told to end, and the exit status is 124, as that of timeout(1).
"""
import bisect
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

# What is most worth having first, and what is longest last.
KEYS = os.environ.get("GUARD_KEYS", "ldwqtz")
# How often to look whether the guest still talks, in seconds
TICK = float(os.environ.get("GUARD_TICK", "0.5"))
PATIENCE = 20		# seconds for one key; a task list takes a while to print
BUDGET = 90		# seconds for all


class Symbols:
    def __init__(self, path):
        self.table = []
        try:
            with open(path, encoding="ascii", errors="replace") as f:
                for line in f:
                    address, kind, name = line.split()[:3]
                    if kind in "tT":
                        self.table.append((int(address, 16), name))
        except (OSError, ValueError):
            pass
        self.table.sort()
        # Beyond that there are modules.
        self.end = max((a for a, n in self.table if n == "_einittext"),
                       default=1 << 64)

    def name(self, address):
        i = bisect.bisect(self.table, (address, "\x7f")) - 1
        if i < 0 or address < 1 << 63:
            return "in user space" if address < 1 << 47 else "?"
        if address >= self.end:
            return "in a module"
        return f"{self.table[i][1]}+{address - self.table[i][0]:#x}"


def connect(path):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(5)
    s.connect(path)
    return s


def drain(port):
    """Read what the guest says; the log has it, but QEMU waits for a reader."""
    try:
        while port.recv(65536):
            pass
    except OSError:
        pass


def said(monitor):
    """What the monitor says until it prompts."""
    text = b""
    try:
        while not text.rstrip().endswith(b"(qemu)"):
            more = monitor.recv(65536)
            if not more:
                break
            text += more
    except OSError:
        pass
    return text.decode("ascii", "replace").replace("\r", "")


def ask(monitor, command):
    """One command to the monitor; its answer."""
    monitor.sendall(command.encode() + b"\n")
    # Not the echo, which it edits as it comes
    return "\n".join(line for line in said(monitor).split("\n")[1:]
                     if "(qemu)" not in line)


def registers(monitor, directory, symbols):
    text = ask(monitor, "info registers -a")
    cpus = re.split(r"^CPU#", text, flags=re.M)[1:]
    with open(os.path.join(directory, "registers"), "w") as f:
        for cpu in cpus:
            rip = re.search(r"\b(?:[RE]IP|PC)=([0-9a-f]+)", cpu)
            if rip:
                where = symbols.name(int(rip[1], 16))
                print(f"CPU {cpu.split()[0]}: {where}", file=f)
        f.write("\n" + text)
    return len(cpus)


def last_line(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return (f.read().strip().splitlines() or [""])[-1].strip()
    except OSError:
        return ""


def size(path):
    try:
        return os.path.getsize(path)
    except OSError:
        return 0


def says_sysrq(path, first):
    """The console has something of it from there on."""
    try:
        with open(path, "rb") as f:
            f.seek(first)
            return b"sysrq: " in f.read()
    except OSError:
        return False


def sysrq(monitor, port, console, key, end):
    """Press one key; wait until the guest has nothing more to say."""
    first = size(console)
    for _ in range(3):
        ask(monitor, "chardev-send-break console")
        port.sendall(key.encode())
        last, quiet = size(console), 0
        start = time.monotonic()
        while quiet < 4 and time.monotonic() < min(start + PATIENCE, end):
            time.sleep(TICK)
            now = size(console)
            quiet = quiet + 1 if now == last else 0
            last = now
        if says_sysrq(console, first):
            return True
        if time.monotonic() >= end:
            break
    return False


def diagnose(directory, symbols):
    console = os.path.join(directory, "console")
    with open(os.path.join(directory, "last"), "w") as f:
        f.write(last_line(console) + "\n")
    try:
        monitor = connect(os.path.join(directory, "monitor.sock"))
        port = connect(os.path.join(directory, "console.sock"))
    except OSError as e:
        print(f"guard: no word with QEMU: {e}")
        return
    port.settimeout(None)
    threading.Thread(target=drain, args=(port,), daemon=True).start()
    said(monitor)
    cpus = registers(monitor, directory, symbols)
    end = time.monotonic() + BUDGET
    heard = ""
    for key in KEYS:
        if time.monotonic() >= end:
            break
        if sysrq(monitor, port, console, key, end):
            heard += key
        elif not heard:
            break
    print(f"guard: registers of {cpus} CPUs; sysrq: "
          + (heard or "the guest does not answer"))


def main():
    if len(sys.argv) < 5:
        sys.exit(__doc__.splitlines()[2].strip())
    directory, limit, symbols = sys.argv[1], float(sys.argv[2]), sys.argv[3]
    qemu = subprocess.Popen(["setpriv", "--pdeathsig", "TERM"] + sys.argv[4:])

    def stop(signo, _frame):
        qemu.terminate()
        sys.exit(128 + signo)

    for signo in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(signo, stop)
    try:
        sys.exit(qemu.wait(limit) % 256)
    except subprocess.TimeoutExpired:
        pass
    diagnose(directory, Symbols(symbols))
    qemu.terminate()
    try:
        qemu.wait(5)
    except subprocess.TimeoutExpired:
        qemu.kill()
        qemu.wait()
    sys.exit(124)


if __name__ == "__main__":
    main()
