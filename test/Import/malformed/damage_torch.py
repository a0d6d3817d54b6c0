"""Damaged pytorch_model.bin: the archive, the pickle in it, and the tensors that the pickle describes."""
import json
import os
import struct

import archive
from damage_hf import BASE, MISSING, folder_of, load
from harness import Case

FILE = os.path.join(BASE, '..', 'pytorch_model.bin')
STATE = b'ccollections\nOrderedDict\n)R'
NAME = 'backbone.norm_f.weight'


def text(value):
    data = value if isinstance(value, bytes) else value.encode()
    return b'X' + struct.pack('<I', len(data)) + data


def number(value):
    return b'\x8a\x08' + struct.pack('<q', value)


def numbers(values):
    return b'(' + b''.join(values if all(isinstance(v, bytes) for v in values) else map(number, values)) + b't'


def storage(kind=b'ctorch\nBFloat16Storage\n', key=text('21'), count=number(16), tag=text('storage'), more=b''):
    return b'(' + tag + kind + key + text('cpu') + count + more + b'tQ'


def tensor(storage_=None, offset=number(0), sizes=numbers([16]), strides=numbers([1]), call=b'ctorch._utils\n_rebuild_tensor_v2\n',
           rest=b'\x89' + STATE):
    return call + b'(' + (storage_ or storage()) + offset + sizes + strides + rest + b'tR'


def pickle(*items, begin=b'\x80\x02', end=b'.'):
    """A dictionary of these keys and values."""
    return begin + STATE + b'(' + b''.join(items) + b'u' + end


def cases(_):
    config, _, _, _ = load(BASE)
    base = archive.Archive(FILE)
    good = base.find('data.pkl').data
    out = []

    def add(name, word, data, **more):
        files = {'config.json': config, 'pytorch_model.bin': data, **more}
        out.append(Case(name, word, folder_of(files), 'pytorch_model.bin'))

    def change(name, word, edit):
        changed = archive.Archive(FILE)
        edit(changed)
        add(name, word, changed.write())

    def pickled(name, word, data):
        change(name, word, lambda a: a.find('data.pkl').__dict__.update(data=data))

    def one(name, word, value):
        pickled('tensor: ' + name, word, pickle(text(NAME), value))

    assert base.write() and pickle(text(NAME), tensor())
    for name, word, data in archive.damages(FILE, 'data.pkl'):
        add('archive: ' + name, word, data)
    containers(add, change)
    opcodes(pickled, good)
    tensors(one, pickled)
    return out


def containers(add, change):
    add('legacy file', '1.6', b'\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.')
    add('empty', 'ZIP', b'')
    add('a pointer of Git LFS', 'ZIP', b'version https://git-lfs.github.com/spec/v1\n')
    add('a tar', 'ZIP', b'sys_info' + bytes(1024))
    add('a bare pickle', 'ZIP', b'\x80\x02}q\x00.')
    change('without data.pkl', 'data.pkl', lambda a: a.entries.remove(a.find('data.pkl')))
    change('data.pkl without a folder', 'data.pkl', lambda a: a.find('data.pkl').__dict__.update(name='data.pkl'))
    change('data.pkl two folders down', 'data.pkl', lambda a: a.find('data.pkl').__dict__.update(name='a/b/data.pkl'))
    change('data.pkl in another folder', 'not in the archive', lambda a: a.find('data.pkl').__dict__.update(name='a/data.pkl'))
    change('DATA.PKL', 'data.pkl', lambda a: a.find('data.pkl').__dict__.update(name='pytorch_model/DATA.PKL'))
    for order in (b'big', b'big\0\0\0', b'', b'little\n', bytes(1000)):
        change('byte order %r' % order[:10], 'byteorder', lambda a, o=order: a.find('byteorder').__dict__.update(data=o))
    change('without the data of a tensor', 'not in the archive', lambda a: a.entries.remove(a.find('data/7')))
    change('data of a tensor that are cut', 'storage', lambda a: a.find('data/7').__dict__.update(data=bytes(10)))
    change('no data of a tensor', 'storage', lambda a: a.find('data/7').__dict__.update(data=b''))


def opcodes(pickled, good):
    known = b'()]}NJKMGXct\x85\x86\x87eausRQbqrhj.\x88\x89\x8a'
    others = {'reduce by inst': b'(ios\nsystem\n', 'NEWOBJ': STATE + b')\x81', 'OBJ': b'(o', 'STACK_GLOBAL': text('os') +
              text('system') + b'\x93', 'PERSID': b'P0\n', 'EXT1': b'\x82\x01', 'EXT4': b'\x84' + bytes(4), 'DUP': b'N2', 'POP': b'N0',
              'POP_MARK': b'(1', 'INT': b'I1\n', 'LONG': b'L1L\n', 'FLOAT': b'F1.0\n', 'STRING': b"S'a'\n", 'UNICODE': b'Va\n',
              'LONG4': b'\x8b' + struct.pack('<I', 2 ** 31 - 1), 'BINSTRING': b'T\1\0\0\0a', 'SHORT_BINSTRING': b'U\1a',
              'BINUNICODE8': b'\x8d' + struct.pack('<Q', 2 ** 63), 'BINBYTES': b'B' + struct.pack('<I', 2 ** 31),
              'FRAME': b'\x95' + struct.pack('<Q', 2 ** 40), 'MEMOIZE': b'N\x94', 'EMPTY_SET': b'\x8f', 'BYTEARRAY8': b'\x96' + bytes(8),
              'NEXT_BUFFER': b'\x97', 'a byte of no opcode': b'\xff', 'a second PROTO': b'\x80\x02'}
    for name, code in others.items():
        pickled('opcode ' + name, 'opcode', b'\x80\x02' + code + b'.')
    assert not any(code[-1:] == b'.' for code in others.values()) and known
    for call in (b'cos\nsystem\n', b'cposix\nsystem\n', b'c__builtin__\neval\n', b'cbuiltins\nexec\n', b'csubprocess\nPopen\n',
                 b'ctorch\nload\n', b'cnumpy.core.multiarray\n_reconstruct\n', b'cargparse\nNamespace\n',
                 b'ctorch._utils\n_rebuild_sparse_tensor\n', b'ctorch._utils\n_rebuild_qtensor\n',
                 b'ctorch.nn.modules.linear\nLinear\n', b'ctorch._tensor\n_rebuild_from_type_v2\n'):
        shown = call[1:-1].decode().replace('\n', '.')
        pickled('a call of ' + shown, shown, pickle(text(NAME), call + b'(' + text('echo') + b'tR'))
    pickled('a module', 'dictionary', b'\x80\x02ctorch.nn\nLinear\n)R.')
    for protocol in (0, 1, 3, 4, 5, 255):
        pickled('protocol %d' % protocol, 'protocol 2', b'\x80' + bytes([protocol]) + good[2:])
    pickled('no protocol', 'protocol 2', good[2:])
    for size in (0, 1, 2, 3, 30, 100, 500, len(good) - 1):
        pickled('%d bytes of the pickle' % size, 'pickle', good[:size])
    for name, code in {'a stop at once': b'.', 'a mark': b'(.', 'a tuple without a mark': b'Nt.', 'items without a mark': b'}u.',
                       'a tuple of what is not there': b'N\x86.', 'items for a number': b'K\1(NNu.', 'an odd number of items': b'}(Nu.',
                       'an item for a list': b']NNs.', 'appended to a dictionary': b'}Na.', 'a call of a number': b'K\1)R.',
                       'a call without a tuple': b'ccollections\nOrderedDict\nNR.', 'a call of nothing': b'R.',
                       'a persistent id of nothing': b'Q.', 'a state for nothing': b'Nb.', 'a global without an end': b'cos\nsystem',
                       'a memo that is not set': b'h\7.', 'a memo that is far': b'Nr' + struct.pack('<I', 2 ** 31) + b'.',
                       'a memo of nothing': b'q\0.', 'a long of 9 bytes': b'\x8a\x09' + bytes(9) + b'.',
                       'a text of 4 GB': b'X' + struct.pack('<I', 2 ** 32 - 1) + b'a.', 'two values': b'}}.',
                       'numbers on both sides of a mark': b'K\1(s.'}.items():
        pickled('pickle: ' + name, 'pickle', b'\x80\x02' + code)
    pickled('a list', 'dictionary', b'\x80\x02].')
    pickled('a number as key', 'keys', pickle(number(1), tensor()))
    pickled('a key with a zero byte', 'keys', pickle(text(b'a\0b'), tensor()))
    million = 1000000
    pickled('a million values', 'pickle', b'\x80\x02' + b')' * million + b'.')
    pickled('a million dictionaries in each other', 'pickle', b'\x80\x02' + b'}K\1' * million + b's' * million + b'.')
    pickled('10 million recalls', 'pickle', b'\x80\x02}q\0' + b'h\0' * (10 * million) + b'.')
    pickled('a list that holds itself a million times', 'pickle', b'\x80\x02]q\0' + b'h\0a' * million + b'.')
    doubled = b'\x80\x02]q\0'
    for i in range(40):
        doubled += b'(h' + bytes([i]) + b'h' + bytes([i]) + b'tq' + bytes([i + 1])
    pickled('tuples doubled 40 times', 'pickle', doubled + b'.')


def tensors(one, pickled):
    one('a number', 'expected a tensor', number(1))
    one('a text', 'expected a tensor', text('weights'))
    one('a dictionary', 'expected a tensor', b'}' + text('a') + tensor() + b's')
    one('itself', 'expected a tensor', b'(t')
    one('a parameter of nothing', NAME, b'ctorch._utils\n_rebuild_parameter\n)R')
    one('too few arguments', NAME, b'ctorch._utils\n_rebuild_tensor_v2\n(' + storage() + number(0) + b'tR')
    for name, value in {'a number': number(0), 'a tuple': b'(t', 'an id that is a text': text('0') + b'Q',
                        'a short id': b'(' + text('storage') + b'tQ', 'a long id': storage(more=b'N'),
                        'another tag': storage(tag=text('module')), 'a numeric key': storage(key=number(21)),
                        'a text as size': storage(count=text('16'))}.items():
        one('storage is ' + name, NAME, tensor(value))
    for kind in (b'ctorch\nQInt8Storage\n', b'ctorch\nComplexFloatStorage\n', b'ctorch\nUntypedStorage\n', b'ctorch.storage\nFloatStorage\n',
                 b'cos\nsystem\n', text('BFloat16Storage'), b'ctorch\nFloat8_e4m3fnStorage\n'):
        one('storage of type %r' % kind[:30], NAME, tensor(storage(kind)))
    for key in ('22', '', '../0', '/0', '021', 'a' * 1000, b'\xff', '21\0'):
        one('data %r' % key[:10], NAME, tensor(storage(key=text(key))))
    one('of doubles', NAME, tensor(storage(b'ctorch\nDoubleStorage\n')))
    one('of longs', NAME, tensor(storage(b'ctorch\nLongStorage\n')))
    for offset in (-1, 1, 16, 17, 2 ** 31, 2 ** 62, -2 ** 63):
        one('offset %d' % offset, NAME, tensor(offset=number(offset)))
    one('offset none', NAME, tensor(offset=b'N'))
    for sizes in ([17], [-1], [-16], [2 ** 31], [2 ** 62], [2 ** 63 - 1], [4, 5], [2 ** 32, 2 ** 32], [1] * 9, [16, 2 ** 60], [-4, -4]):
        one('sizes %s' % sizes, NAME, tensor(sizes=numbers(sizes), strides=numbers([1] * len(sizes))))
    one('sizes of texts', NAME, tensor(sizes=numbers([text('16')])))
    one('sizes none', NAME, tensor(sizes=b'N'))
    one('strides none', NAME, tensor(strides=b'N'))
    one('fewer strides', NAME, tensor(strides=numbers([])))
    for strides in ([2], [0], [-1], [2 ** 62]):
        one('strides %s' % strides, NAME, tensor(strides=numbers(strides)))
    one('transposed', NAME, tensor(sizes=numbers([4, 4]), strides=numbers([1, 4])))
    pickled('a name twice', 'twice', pickle(text(NAME), tensor(), text(NAME), tensor()))
