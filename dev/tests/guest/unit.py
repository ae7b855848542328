# SPDX-License-Identifier: GPL-2.0
"""What the unit tests of the guest tooling share."""
import importlib.machinery
import importlib.util
import os
import sys
import unittest

DEV = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))


def load(name):
    """Import a script of dev/ by its path there."""
    sys.dont_write_bytecode = True
    path = os.path.join(DEV, name)
    # What it shares with others of its room
    sys.path.insert(0, os.path.dirname(path))
    module = os.path.basename(name).removesuffix(".py").replace("-", "_")
    loader = importlib.machinery.SourceFileLoader(module, path)
    spec = importlib.util.spec_from_loader(module, loader)
    loaded = importlib.util.module_from_spec(spec)
    loader.exec_module(loaded)
    return loaded


def processes(word):
    """The processes with it in their command line, zombies not counted."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                if os.fsencode(word) in f.read():
                    found.append(pid)
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


def main():
    """unittest.main() with the last line that dev/tests/run adds up."""
    suite = unittest.defaultTestLoader.loadTestsFromModule(
        sys.modules["__main__"])
    result = unittest.TextTestRunner(verbosity=1, stream=sys.stdout).run(suite)
    # A test with subtests can be in there several times.
    failed = len({getattr(test, "test_case", test).id()
                  for test, _ in result.failures + result.errors})
    passed = result.testsRun - failed - len(result.skipped)
    print(f"{passed} passed, {failed} failed" +
          (f", {len(result.skipped)} skipped" if result.skipped else ""))
    sys.exit(1 if failed or not passed else 0)
