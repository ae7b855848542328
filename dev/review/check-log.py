#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Print what is wrong with the subjects, changelogs and added lines of patches,
or with the messages of commits of this repository.

    dev/review/check-log.py PATCH...
    dev/review/check-log.py --commits RANGE     in the git tree of the directory

One line each, with the name of the patch or the commit; nothing when all is well.
"""

import email
import email.header
import email.policy
import os
import re
import subprocess
import sys

ROLE = 'Proxy Execution Developers <proxy-exec@example.org>'

PREFIXES = '''sched sched/core sched/fair sched/rt sched/deadline sched/idle
sched/proxy sched/debug sched/core_sched sched_ext locking locking/mutex
locking/rwsem locking/ww_mutex locktorture torture rcutorture
selftests/proxy_exec Documentation MAINTAINERS'''.split()

WIDTH = 75

# Of commits of this repository; one that changes more files than FILES has to
# say why.
COMMIT_WIDTH = 72
FILES = 3

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


def check_form(subject, width):
    """What a subject has to be in patches and commits alike"""
    if columns(subject) > width:
        yield f'subject has {columns(subject)} columns, at most {width}'
    if subject.endswith('.'):
        yield 'subject ends in a full stop'


def check_words(words, where=''):
    if not words[:1].isupper():
        yield f'subject {where or "begins with a small letter"}'
    first = words.split(' ')[0]
    if NOT_IMPERATIVE.match(first) and not IMPERATIVE.match(first):
        yield f'subject is not imperative: "{first}"'


def check_subject(subject):
    subject = re.sub(r'^\[PATCH[^]]*\] *', '', subject)
    yield from check_form(subject, WIDTH)
    prefix, sep, words = subject.partition(': ')
    if not sep or prefix not in PREFIXES:
        yield f'subject has no known prefix: {subject}'
        return
    yield from check_words(words,
                           f'goes on with a small letter after "{prefix}: "')


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


def check_commit(subject, body, files):
    yield from check_form(subject, COMMIT_WIDTH)
    yield from check_words(subject)
    for line in body.splitlines():
        if TAG.match(line):
            yield f'has a tag: {line}'
    if len(files) > FILES and not body.strip():
        yield (f'changes {len(files)} files without a word why; more than '
               f'{FILES} need a body')


def check_commits(commits):
    """(abbreviated commit, complaint) of each commit but merges"""
    log = subprocess.run(
        ['git', 'log', '--no-merges', '--name-only', '-M',
         '--format=%x01%h%x02%s%x02%b%x02', commits],
        check=True, text=True, errors='replace', stdout=subprocess.PIPE).stdout
    for entry in log.split('\1')[1:]:
        name, subject, body, files = entry.split('\2')
        for complaint in check_commit(subject, body, files.split()):
            yield name, complaint


def main():
    if sys.argv[1:2] == ['--commits']:
        for name, complaint in check_commits(sys.argv[2]):
            print(f'{name}: {complaint}')
        return
    for path in sys.argv[1:]:
        for complaint in check(path):
            print(f'{os.path.basename(path)}: {complaint}')


if __name__ == '__main__':
    main()
