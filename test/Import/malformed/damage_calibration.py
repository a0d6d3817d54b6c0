"""Damaged inputs of a calibration: token ids as .npy and .safetensors, text, and files of statistics."""
import json
import os
import struct
import subprocess
import tempfile

import texts
from damage_hf import BASE, MISSING, pack
from harness import Case, saved

MODEL = os.path.abspath(BASE)


def npy(header="{'descr': '<i4', 'fortran_order': False, 'shape': (2, 16), }", data=struct.pack('<32i', *range(32)), magic=b'\x93NUMPY',
        version=(1, 0), size=None):
    text = header if isinstance(header, bytes) else header.encode()
    return magic + bytes(version) + struct.pack('<H' if version[0] == 1 else '<I', len(text) if size is None else size) + text + data


def cases(tools):
    out = []

    def add(name, word, suffix, data):
        def build(folder):
            path = saved(folder, 'ids.' + suffix, data)
            return ['mamba-opt', MODEL, '--mamba-calibrate=samples=1 length=8 calibration=' + path, '-o', os.path.join(folder, 'o.mlir')]
        out.append(Case(name, word, build, 'ids.' + suffix))

    arrays(add)
    tensors(add)
    add('text: without a tokenizer', 'tokenizer', 'txt', b'Once upon a time')
    add('text: empty, without a tokenizer', 'tokenizer', 'txt', b'')
    return out + statistics(tools)


def arrays(add):
    def array(name, word='ids.npy', **fields):
        add('npy: ' + name, word, 'npy', npy(**fields))

    whole = npy()
    for size in (0, 1, 6, 9, 10, 40, len(whole) - 1, len(whole) - 64):
        add('npy: %d of %d bytes' % (size, len(whole)), 'ids.npy', 'npy', whole[:size])
    add('npy: a byte more', 'values', 'npy', whole + b'\0')
    array('another magic', magic=b'\x93NUMPI')
    for version in ((0, 0), (4, 0), (1, 1), (255, 255)):
        array('version %d.%d' % version, 'version', version=version)
    for size in (0, 65535):
        array('a header of %d bytes' % size, size=size)
    array('a header of 4 GB', 'header', version=(2, 0), size=2 ** 32 - 1)
    for kind in ('<f4', '<f8', '>i4', '|u1', '<i2', '<u4', '|O', 'int32', '<i8\\n', '|S4'):
        array('of type ' + kind, 'header', header="{'descr': '%s', 'fortran_order': False, 'shape': (2, 16), }" % kind)
    for shape in ('(2, 17)', '(0, 16)', '(-2, 16)', '(16)', '16', '(2, 16', '[2, 16]', '(2.0, 16)', '(4294967296, 4294967296)',
                  '(9223372036854775807,)', '(99999999999999999999,)', '(1, 1, 1, 1, 1, 1, 1, 1, 32)', '()', '(,)', '(2, None)',
                  "(__import__('os'),)"):
        array('of shape ' + shape, header="{'descr': '<i4', 'fortran_order': False, 'shape': %s, }" % shape)
    for name, header in {'in Fortran order': "{'descr': '<i4', 'fortran_order': True, 'shape': (2, 16), }",
                         'without a type': "{'fortran_order': False, 'shape': (2, 16), }", 'without a shape': "{'descr': '<i4', 'fortran_order': False}",
                         'without an order': "{'descr': '<i4', 'shape': (2, 16)}", 'of two types':
                         "{'descr': '<i4', 'descr': '<i8', 'fortran_order': False, 'shape': (2, 16)}", 'an empty header': '{}',
                         'a header of JSON': '{"descr": "<i4", "fortran_order": false, "shape": [2, 16]}', 'another key':
                         "{'descr': '<i4', 'fortran_order': False, 'shape': (2, 16), 'x': 1}", 'text behind the header':
                         "{'descr': '<i4', 'fortran_order': False, 'shape': (2, 16)} x", 'a binary header': b'\xff\xfe\0\0'}.items():
        array(name, header=header)
    for name, ids in {'a negative id': [-1] * 32, 'an id beyond the vocabulary': [128] * 32, 'an id of 2^31 - 1': [2 ** 31 - 1] * 32}.items():
        array(name, data=struct.pack('<32i', *ids), word='expected token ids' if 'negative' in name else 'expected an id from 0 to 127')
    array('an id of 2^40', data=struct.pack('<32q', *[2 ** 40] * 32), header="{'descr': '<i8', 'fortran_order': False, 'shape': (2, 16)}")
    array('too few', data=struct.pack('<4i', 1, 2, 3, 4), header="{'descr': '<i4', 'fortran_order': False, 'shape': (4,)}", word='at least')
    array('of three dimensions', data=struct.pack('<32i', *range(32)), header="{'descr': '<i4', 'fortran_order': False, 'shape': (2, 4, 4)}")


def tensors(add):
    data = struct.pack('<32i', *range(32))
    good = {'input_ids': {'dtype': 'I32', 'shape': [2, 16], 'data_offsets': [0, 128]}}
    for name, header in {'another name': {'ids': good['input_ids']}, 'no tensor': {}, 'floats': {'input_ids': dict(good['input_ids'], dtype='F32')},
                         'of rank 3': {'input_ids': dict(good['input_ids'], shape=[2, 4, 4])}, 'a scalar': {'input_ids': {
                             'dtype': 'I32', 'shape': [], 'data_offsets': [0, 4]}}, 'short integers': {'input_ids': {
                                 'dtype': 'I16', 'shape': [64], 'data_offsets': [0, 128]}}, 'beyond the file': {'input_ids': {
                                     'dtype': 'I32', 'shape': [64], 'data_offsets': [0, 256]}}}.items():
        size = 0 if not header else header.get('input_ids', good['input_ids'])['data_offsets'][1]
        add('safetensors: ' + name, 'ids.safetensors', 'safetensors', pack(header, data[:size]))
    add('safetensors: empty', 'ids.safetensors', 'safetensors', b'')
    add('safetensors: cut', 'ids.safetensors', 'safetensors', pack(good, data[:-1]))
    add('safetensors: a negative id', 'ids.safetensors', 'safetensors', pack(good, struct.pack('<32i', *[-5] * 32)))
    add('safetensors: text', 'ids.safetensors', 'safetensors', b'1, 2, 3')


def statistics(tools):
    out = []
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'good.json')
        subprocess.run([os.path.join(tools, 'mamba-opt'), MODEL, '--mamba-calibrate=samples=1 length=8 statistics=' + path, '-o',
                        os.path.join(folder, 'out.mlir')], check=True)
        with open(path, 'rb') as file:
            text = file.read()
    name = 'layers.0.mixer.in'

    def add(case, word, data):
        def build(folder):
            path = saved(folder, 'statistics.json', data)
            return ['mamba-opt', MODEL, '--mamba-calibrate=samples=1 length=8 statistics=' + path, '-o', os.path.join(folder, 'o.mlir')]
        out.append(Case('statistics: ' + case, word, build, 'statistics.json'))

    def change(case, word, edit):
        changed = json.loads(text)
        edit(changed)
        add(case, word, json.dumps(changed).encode())

    def member(keys, value, word=name):
        def edit(changed):
            item = changed['sites'][name]
            for key in keys[:-1]:
                item = item[key]
            if value is MISSING:
                item.pop(keys[-1])
            else:
                item[keys[-1]] = value
        change('%s %s' % ('.'.join(map(str, keys)), 'missing' if value is MISSING else json.dumps(value)[:40]), word, edit)

    for case, data in texts.bad_json(text)[::2]:
        add(case, 'statistics.json', data)
    for key, values in {'version': (MISSING, 1, 3, '2', None), 'model': (MISSING, 'xxh3:0', 7), 'samples': (MISSING, 2, '1', -1),
                        'length': (9, None), 'seed': (1, 1.0), 'data': (MISSING, 'self:0', 'text:0', 7), 'sites': (MISSING, None, [], {}, 7)}.items():
        for value in values:
            change('%s %s' % (key, 'missing' if value is MISSING else json.dumps(value)), 'expected' if key == 'sites' else key,
                   lambda c, k=key, v=value: c.pop(k) if v is MISSING else c.update({k: v}))
    for value in (None, [], 7, 'text', {}):
        change('a record that is %s' % json.dumps(value), name, lambda c, v=value: c['sites'].update({name: v}))
    change('without a record', name, lambda c: c['sites'].pop(name))
    add('a record twice', 'statistics.json', text.replace(b'"layers.0.mixer.x":', b'"layers.0.mixer.in":'))
    for keys, values in {('channels',): (MISSING, 0, -1, 15, 17, 2 ** 40, 2 ** 62, '16', 16.0, None), ('count',): (MISSING, -1, 0, 127, 2 ** 40, None),
                         ('non_finite',): (MISSING, -1, 2 ** 37, 'none'), ('channel_absmax',): (MISSING, [], None, 7, [1] * 15, ['a'] * 16, [None] * 16,
                                                                                              [1e300] * 16),
                         ('channel_min',): (MISSING, [], [0] * 17, [True] * 16), ('channel_max',): (None, {}, [[]] * 16),
                         ('octaves',): (MISSING, None, [], {}, {'255': {}}, {'-1': {}}, {'0x7f': {}}, {'127': None}, {'007': {}}),
                         ('octaves', '121'): ({}, None, [], 7), ('octaves', '121', 'sum'): (MISSING, 1.5, 2 ** 62, '0'),
                         ('octaves', '121', 'squares'): ([], [1], [-1, 0], [1, 2, 3]), ('octaves', '121', 'bins'): (
                             [], {}, {'1024': 1}, {'-1': 1}, {'0': -1}, {'0': 2 ** 40}, {'a': 1})}.items():
        for value in values:
            member(keys, value)
    return out
