#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Print what is wrong with the subjects, changelogs and added lines of patches.

One line each, with the name of the patch; nothing when all is well.
"""

import email
import email.header
import email.policy
import os
import re
import sys

ROLE = 'Proxy Execution Developers <proxy-exec@example.org>'

PREFIXES = '''sched sched/core sched/fair sched/rt sched/deadline sched/idle
sched/proxy sched/debug sched/core_sched sched_ext locking locking/mutex
locking/rwsem locking/ww_mutex locktorture torture rcutorture
selftests/proxy_exec Documentation MAINTAINERS'''.split()

WIDTH = 75

FORBIDDEN = [
    (re.compile(r"\b[Ww]e\b(?!')|\b[Ww]e'"), 'we'),
    (re.compile(r"(?<![\w/])I(?![\w/])"), 'I'),
    (re.compile(r'\bthis\s+patch\b', re.I), 'this patch'),
    (re.compile(r'\bjust\b', re.I), 'just'),
    (re.compile(r'\bsimply\b', re.I), 'simply'),
]

TAG = re.compile(r'^[A-Za-z]+(-[a-z]+)*-by:', re.I)
LEFTOVER = re.compile(r'\b(TODO|FIXME|XXX)\b')
# "Adds", "Added" and "Adding" are not imperative; these are.
IMPERATIVE = re.compile(r'^(Bring|Need|Embed|Feed|Seed|Bypass|Pass|Process|Miss|'
                        r'Address|Discuss|Express|Compress|Focus|Access)$')
NOT_IMPERATIVE = re.compile(r'^[A-Z][a-z]+(ing|ed|s)$')


def columns(line):
    return len(line.expandtabs(8))


def check_subject(subject):
    subject = re.sub(r'^\[PATCH[^]]*\] *', '', subject)
    if columns(subject) > WIDTH:
        yield f'subject has {columns(subject)} columns, at most {WIDTH}'
    if subject.endswith('.'):
        yield 'subject ends in a full stop'
    prefix, sep, words = subject.partition(': ')
    if not sep or prefix not in PREFIXES:
        yield f'subject has no known prefix: {subject}'
        return
    if not words[:1].isupper():
        yield f'subject goes on with a small letter after "{prefix}: "'
    first = words.split(' ')[0]
    if NOT_IMPERATIVE.match(first) and not IMPERATIVE.match(first):
        yield f'subject is not imperative: "{first}"'


def check_changelog(body):
    prose = []
    for line in body.splitlines():
        if TAG.match(line):
            yield f'has a tag: {line}'
        if line[:1] in (' ', '\t') or line.startswith('> '):
            continue                    # code, tables, quotations
        prose.append(line)
        if columns(line) > WIDTH and ' ' in line.strip():
            yield (f'changelog line of {columns(line)} columns, at most '
                   f'{WIDTH}: {line[:40]}...')
    text = '\n'.join(prose)
    if not text.strip():
        yield 'has no changelog'
    for pattern, word in FORBIDDEN:
        found = pattern.search(text)
        if found:
            start = text.rfind('\n', 0, found.start()) + 1
            line = text[start:].split('\n')[0]
            yield f'changelog says "{word}": {line[:60]}'


def check_diff(diff):
    name = '?'
    for line in diff.splitlines():
        if line.startswith('+++ b/'):
            name = line[6:]
        elif line.startswith('+') and LEFTOVER.search(line):
            word = LEFTOVER.search(line).group(1)
            yield f'{name}: adds {word}: {line[1:].strip()[:60]}'


def check(path):
    with open(path, 'rb') as f:
        raw = f.read()
    # Up to the "---" it is a mail; compat32 gives the body as it stands.
    message = email.message_from_bytes(raw.split(b'\n', 1)[1],
                                       policy=email.policy.default)
    if str(message['From']) != ROLE:
        yield f'is from {message["From"]}, has to be from {ROLE}'
    if not message['Date']:
        yield 'has no date'
    yield from check_subject(' '.join(str(message['Subject']).split()))
    text = raw.split(b'\n\n', 1)[1].decode('utf-8', 'replace')
    body, sep, diff = text.partition('\n---\n')
    if text.startswith('---\n'):
        body, sep, diff = '', '---', text
    if not sep:
        yield 'has no "---" line between changelog and diff'
    yield from check_changelog(body)
    yield from check_diff(diff)


def main():
    for path in sys.argv[1:]:
        for complaint in check(path):
            print(f'{os.path.basename(path)}: {complaint}')


if __name__ == '__main__':
    main()
