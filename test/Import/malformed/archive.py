"""Writes ZIP archives of stored entries whose every number can lie, and the damages that files in this container share."""
import struct
import zipfile
import zlib


class Entry:
    def __init__(self, name, data, **fields):
        self.name, self.data = name, data
        self.flags = self.method = 0
        self.local = None      # the name in front of the data, where it is to be another
        self.packed = self.size = self.offset = None
        self.extra = b''       # of the central directory
        self.cut = False       # its data begin here, but only the header is written
        self.__dict__.update(fields)


class Archive:
    def __init__(self, path):
        with zipfile.ZipFile(path) as archive:
            self.entries = [Entry(info.filename, archive.read(info)) for info in archive.infolist()]
        self.count = self.directory_size = self.directory_offset = None
        self.disk, self.comment, self.comment_size, self.prefix, self.tail, self.end64 = 0, b'', None, b'', b'', b''

    def find(self, suffix):
        return next(entry for entry in self.entries if entry.name.endswith(suffix))

    def write(self):
        out, central = self.prefix, b''
        for entry in self.entries:
            name = entry.name if isinstance(entry.name, bytes) else entry.name.encode()
            local = name if entry.local is None else entry.local
            size, crc = len(entry.data), zlib.crc32(entry.data)
            packed = size if entry.packed is None else entry.packed
            shown = size if entry.size is None else entry.size
            offset = len(out) if entry.offset is None else entry.offset
            common = struct.pack('<HHHHIII', entry.flags, entry.method, 0, 33, crc, packed, shown)
            out += b'PK\3\4' + struct.pack('<H', 20) + common + struct.pack('<HH', len(local), 0) + local
            out += b'' if entry.cut else entry.data
            central += (b'PK\1\2' + struct.pack('<HH', 20, 20) + common + struct.pack('<HH', len(name), len(entry.extra)) +
                        struct.pack('<HHHII', 0, 0, 0, 0, offset) + name + entry.extra)
        count = len(self.entries) if self.count is None else self.count
        size = len(central) if self.directory_size is None else self.directory_size
        offset = len(out) if self.directory_offset is None else self.directory_offset
        comment_size = len(self.comment) if self.comment_size is None else self.comment_size
        end = b'PK\5\6' + struct.pack('<HHHHIIH', self.disk, 0, count & 0xffff, count & 0xffff, size, offset, comment_size)
        return out + central + self.end64 + end + self.comment + self.tail


def wide(*numbers):
    """The extra field of 64-bit numbers."""
    return struct.pack('<HH', 1, 8 * len(numbers)) + struct.pack('<%dQ' % len(numbers), *numbers)


def end64(count, size, offset, at, signature=b'PK\6\6'):
    """The 64-bit end record, said to be at `at`, and what points to it."""
    record = signature + struct.pack('<QHHIIQQQQ', 44, 45, 45, 0, 0, count, count, size, offset)
    return record + b'PK\6\7' + struct.pack('<IQI', 0, at, 1)


def damages(path, suffix):
    """(name, word, bytes) for an archive, in which the damaged entry is the one whose name ends in `suffix`."""
    with open(path, 'rb') as file:
        whole = file.read()
    found = []

    def change(name, edit, word):
        archive = Archive(path)
        edit(archive, archive.find(suffix))
        found.append((name, word, archive.write()))

    def fields(name, word, **values):
        change(name, lambda archive, entry: entry.__dict__.update(values), word)

    def end(name, word, **values):
        change(name, lambda archive, entry: archive.__dict__.update(values), word)

    for size in (4, 21, 22, 30, 100, len(whole) // 2, len(whole) - 23, len(whole) - 22, len(whole) - 1):
        found.append(('%d of %d bytes' % (size, len(whole)), 'ZIP', whole[:size]))
    found.append(('a byte behind the end', 'ZIP', whole + b'\0'))
    found.append(('nothing but an end', 'in a folder of the archive', b'PK\5\6' + bytes(18)))
    fields('encrypted', 'encrypted', flags=1)
    for method in (8, 9, 12, 14, 93, 99):
        fields('method %d' % method, 'compressed', method=method)
    fields('packed to nothing', 'compressed', packed=0)
    fields('unpacked to 4 GB', 'compressed', size=2 ** 32 - 2)
    for size in (2 ** 31, 2 ** 32 - 2):
        fields('%d bytes' % size, suffix, packed=size, size=size)
    for offset in (1, len(whole) - 10, 2 ** 31, 2 ** 32 - 2):
        fields('at %d' % offset, 'ZIP', offset=offset)
    fields('64 bits that are missing', '4294967295 bytes', packed=2 ** 32 - 1, size=2 ** 32 - 1)
    fields('64 bits that are short', 'ZIP', packed=2 ** 32 - 1, size=2 ** 32 - 1, extra=wide(100))
    for size in (2 ** 40, 2 ** 63, 2 ** 64 - 1):
        fields('%d bytes by 64 bits' % size, suffix, packed=2 ** 32 - 1, size=2 ** 32 - 1, extra=wide(size, size))
    fields('an extra field that does not end', 'ZIP', packed=2 ** 32 - 1, size=2 ** 32 - 1, extra=struct.pack('<HH', 1, 99))
    fields('another name in front of the data', 'ZIP', local=b'other')
    change('twice', lambda archive, entry: archive.entries.append(Entry(entry.name, entry.data)), 'twice')
    change('an entry within another', lambda archive, entry: archive.entries.insert(
        0, Entry(archive.entries[0].name[:-1] + '~', b'', packed=len(archive.entries[0].data) + 200,
                 size=len(archive.entries[0].data) + 200)), 'overlap')
    change('all entries at one place', lambda archive, entry: [other.__dict__.update(
        name='a/%05d' % i, offset=0, local=b'a/00000', cut=i > 0) for i, other in enumerate(archive.entries)], 'disagree')
    end('no entries', 'more than its entries', count=0)
    for count in (1, 1000, 65534):
        end('%d entries' % count, 'ZIP', count=count)
    end('65,535 entries without 64 bits', 'ZIP', count=65535)
    for offset in (0, 1, len(whole) - 5, 2 ** 31, 2 ** 32 - 2):
        end('the directory at %d' % offset, 'ZIP', directory_offset=offset)
    for size in (0, 45, 2 ** 31, 2 ** 32 - 2):
        end('a directory of %d bytes' % size, 'ZIP', directory_size=size)
    end('in two parts', 'parts', disk=1)
    end('a comment that is longer', 'ZIP', comment_size=10)
    for name, record in (('behind the end', end64(1, 46, 0, 2 ** 40)), ('of 2^63 entries', end64(2 ** 63, 46, 0, 0)),
                         ('that is none', end64(1, 46, 0, 0, b'PK\6\5'))):
        end('64 bits of the directory ' + name, 'ZIP', count=65535, end64=record)
    change('names of 60,000 letters', lambda archive, entry: entry.__dict__.update(name='n' * 60000), 'in a folder of the archive')
    return found
