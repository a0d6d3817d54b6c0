#!/usr/bin/env python3
"""change.py IN.pt2 OUT.pt2 OLD NEW [COUNT]: replaces the first COUNT (1) occurrences of a text in the program of an
archive; with OLD "+", adds an entry NEW."""
import sys
import zipfile

source, target, old, new, *count = sys.argv[1:]
with zipfile.ZipFile(source) as archive, zipfile.ZipFile(target, 'w') as changed:
    for name in archive.namelist():
        data = archive.read(name)
        if name.endswith(('models/model.json', 'exported_program.json')) and old != '+':
            text = data.decode()
            assert old in text, old
            data = text.replace(old, new, int(count[0]) if count else 1).encode()
        changed.writestr(name, data)
    if old == '+':
        changed.writestr(name.split('/')[0] + '/' + new, b'')
