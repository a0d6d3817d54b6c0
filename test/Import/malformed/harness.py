"""Runs a tool on damaged files, a process each, and checks how it refuses them: exit status 1, one message that names the
file and the fault, nothing left behind, less than a second of processor time, and at most 64 MiB of memory beyond
what the tool takes to start and the files have."""
import multiprocessing
import os
import shutil
import subprocess
import time

SECONDS, MEBIBYTES, HANG = 1.0, 64, 300


class Case:
    """Modules damage_*.py have cases(tools), which lists these. A damage: build(folder) writes files there and gives the tool's
    arguments, or the one path of a model for mamba-opt. The message must have `word`, and the name of the damaged `file` (by
    default that of the path)."""

    def __init__(self, name, word, build, file=None):
        self.name, self.word, self.build, self.file = name, word, build, file


def saved(folder, name, data):
    path = os.path.join(folder, name)
    with open(path, 'wb') as file:
        file.write(data)
    return path


def fill(folder, files):
    """Writes files: bytes, None for a folder, 'pipe', or another text, the target of a link."""
    for name, data in files.items():
        path = os.path.join(folder, name)
        if data is None:
            os.mkdir(path)
        elif data == 'pipe':
            os.mkfifo(path)
        elif isinstance(data, str):
            os.symlink(data, path)
        else:
            saved(folder, name, data)


def tree(folder):
    return sorted(os.path.join(at, name) for at, folders, files in os.walk(folder) for name in folders + files)


def run(arguments, folder):
    """To be called in a small process: the peak counts what memory a process had when it became the tool. Gives the exit
    status, standard error, seconds of processor time, and the peak of memory in KiB."""
    with open(os.path.join(folder, '..', 'stderr'), 'w+b') as err:
        process = subprocess.Popen(arguments, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=err)
        deadline, found = time.monotonic() + HANG, (0, 0, None)
        while not found[0] and time.monotonic() < deadline:
            found = os.wait4(process.pid, os.WNOHANG)
            if not found[0]:
                time.sleep(0.002)
        if not found[0]:
            process.kill()
            found = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(found[1])
        err.seek(0)
        text = err.read().decode('utf-8', 'replace')
    return process.returncode, text, found[2].ru_utime + found[2].ru_stime, found[2].ru_maxrss


def messages(text):
    """Lines that report an error; below one of MLIR there are carets, notes and quoted source."""
    return [line for line in text.splitlines() if 'error: ' in line]


def check(case, tools, folder, start, runner):
    """What is wrong with how the tool refuses the case: a list of texts."""
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    arguments = case.build(folder)
    file = case.file
    if isinstance(arguments, str):
        file = file or os.path.basename(arguments)
        arguments = ['mamba-opt', arguments, '-o', os.path.join(folder, 'out.mlir')]
    before = tree(folder)
    size = sum(os.path.getsize(path) for path in before if os.path.isfile(path))
    status, text, seconds, memory = runner.apply(run, ([os.path.join(tools, arguments[0])] + arguments[1:], folder))
    found, wrong = messages(text), []
    if status != 1:
        wrong.append('exit status %d' % status)
    if len(found) != 1:
        wrong.append('%d messages' % len(found))
    elif len(text.splitlines()) != 1 and text.startswith('mamba-'):
        wrong.append('%d lines' % len(text.splitlines()))
    if file and file not in text:
        wrong.append('%s is not named' % file)
    if case.word not in text:
        wrong.append('no "%s"' % case.word)
    if tree(folder) != before:
        wrong.append('left %s' % [path for path in tree(folder) if path not in before])
    if seconds >= SECONDS:
        wrong.append('%.2f s' % seconds)
    if memory - start - size // 1024 > MEBIBYTES * 1024:
        wrong.append('%d MiB beyond start and files' % ((memory - start - size // 1024) // 1024))
    return wrong, text


def run_all(list_cases, tools, folder, only='', verbose=False):
    """Checks the cases; gives how many failed."""
    runner = multiprocessing.get_context('fork').Pool(1)
    cases = list_cases(tools)
    names = [case.name for case in cases]
    assert len(set(names)) == len(names), sorted(name for name in names if names.count(name) > 1)
    assert all(case.word not in ('', 'error') for case in cases), 'a word that every message has'
    work = os.path.join(os.path.abspath(folder), 'case')
    os.makedirs(work, exist_ok=True)
    start = max(runner.apply(run, ([os.path.join(tools, tool), '--version'], work))[3]
                for tool in ('mamba-opt', 'mamba-compile', 'mamba-run'))
    failed = 0
    for case in cases:
        if only not in case.name:
            continue
        wrong, text = check(case, tools, work, start, runner)
        failed += bool(wrong)
        if wrong or verbose:
            print('%s: %s\n    %s' % (case.name, ', '.join(wrong) or 'ok', text.strip()[:600].replace('\n', '\n    ')))
    shutil.rmtree(work, ignore_errors=True)
    print('%d cases, %d failed' % (len(cases), failed))
    return failed
