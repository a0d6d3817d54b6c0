#!/usr/bin/env python3
"""Makes small files of every format for the fuzzers, and dictionaries of their words. Only Python's own library is used.

  make_seeds.py FOLDER

Most seeds of graphs have one operator: an input of some hundred bytes is read thousands of times a second. One of each
format is a whole Mamba of one layer, which gets the fuzzer into the recogniser."""
import collections
import io
import json
import os
import pickle
import re
import struct
import sys
import types
import zipfile

VOCABULARY, D, INNER, STATES, RANK, TAPS = 3, 2, 4, 2, 2, 2
EPSILON = 1e-5


# ---- A Mamba, in terms of a builder of either kind of graph -------------------------------------------------------------

def norm(b, x, weight):
    square = b.mean(b.power(x, 2.0))
    return b.mul(b.weight(weight, [D]), b.mul(x, b.rsqrt(b.add(square, b.number(EPSILON)))))


def scan(b, u, delta, parts, a, times):
    """One time after the other: y[t] = C[t] h[t] + D u[t], h[t] = exp(delta[t] A) h[t - 1] + delta[t] B[t] u[t]."""
    state, results = b.input('state', [1, INNER, STATES]), []
    for t in range(times):
        at = lambda x, axis: b.cut(x, axis, t, t + 1) if times > 1 else x
        dt, ut, row = at(delta, 2), at(u, 2), at(parts, 1)
        added = b.mul(b.mul(dt, b.cut(row, 2, RANK, RANK + STATES)), ut)
        state = b.add(b.mul(b.exp(b.mul(dt, a)), state), added)
        y = b.matmul(state, b.turn(b.cut(row, 2, RANK + STATES, RANK + 2 * STATES)))
        results.append(b.add(y, b.mul(ut, b.weight('D', [INNER, 1]))))
    return b.cat(results, 2) if times > 1 else results[0]


def mixer(b, x, times, logarithm):
    xz = b.linear(x, 'in_proj', 2 * INNER, D)
    u = b.turn(b.cut(xz, 2, 0, INNER))  # channels before time from here on
    u = b.silu(b.cut(b.conv(u, 'conv', 'conv_bias'), 2, 0, times))
    parts = b.linear(b.turn(u), 'x_proj', RANK + 2 * STATES, INNER)
    delta = b.add(b.linear(b.cut(parts, 2, 0, RANK), 'dt_proj', INNER, RANK), b.weight('dt_bias', [INNER]))
    a = b.weight('A', [INNER, STATES])
    y = scan(b, u, b.turn(b.softplus(delta)), parts, b.neg(b.exp(a)) if logarithm else a, times)
    y = b.mul(y, b.silu(b.turn(b.cut(xz, 2, INNER, 2 * INNER))))
    return b.linear(b.turn(y), 'out_proj', D, INNER)


def mamba(b, times=1, logarithm=True):
    h = b.embedding(b.input('ids', [1, times], integers=True), times)
    h = b.add(h, mixer(b, norm(b, h, 'norm'), times, logarithm))
    b.output(b.head(norm(b, h, 'norm_f')))
    return b


MAMBAS = dict(mamba={}, mamba_two_tokens=dict(times=2), mamba_without_logarithm=dict(logarithm=False))


def shape_of(*shapes):
    rank = max(map(len, shapes))
    padded = [[1] * (rank - len(shape)) + list(shape) for shape in shapes]
    return [max(sizes) for sizes in zip(*padded)]


# ---- torch.export -------------------------------------------------------------------------------------------------------

def sizes(shape):
    return [{'as_int': n} for n in shape]


def compact(value):
    return json.dumps(value, separators=(',', ':')).encode()


class Torch:
    """Values are names; their shapes are in `shapes`."""

    def __init__(self):
        self.shapes, self.inputs, self.outputs, self.nodes, self.weights = {}, [], [], [], {}

    def argument(self, value):
        if isinstance(value, dict):
            return value
        if isinstance(value, list):
            return {'as_tensors': [{'name': v} for v in value]} if value and isinstance(value[0], str) else {'as_ints': value}
        kind = {str: 'as_tensor', bool: 'as_bool', int: 'as_int', float: 'as_float'}[type(value)]
        return {kind: {'name': value} if kind == 'as_tensor' else value}

    def name(self, shape):
        name = 'v%d' % len(self.shapes)
        self.shapes[name] = list(shape)
        return name

    def node(self, target, shape, /, **arguments):
        """`shape` is the result's, or a list of shapes where there are several."""
        several = bool(shape) and isinstance(shape[0], list)
        names = [self.name(s) for s in (shape if several else [shape])]
        result = {'as_tensors': [{'name': n} for n in names]} if several else {'as_tensor': {'name': names[0]}}
        inputs = [{'name': key, 'arg': self.argument(value)}
                  for key, value in arguments.items()]
        self.nodes.append({'target': 'torch.ops.aten.' + target, 'inputs': inputs, 'outputs': [result]})
        return names if several else names[0]

    def input(self, name, shape, integers=False):
        value = self.name(shape)
        self.inputs.append({'user_input': {'arg': {'as_tensor': {'name': value}}}})
        return value

    def weight(self, name, shape):
        for value, known in self.weights.items():
            if known == name:
                return value
        value = self.name(shape)
        self.weights[value] = name
        self.inputs.append({'parameter': {'arg': {'name': value}, 'parameter_name': name}})
        return value

    def number(self, value):
        return value

    def output(self, value):
        self.outputs.append({'user_output': {'arg': {'as_tensor': {'name': value}}}})

    def unary(self, target, x):
        return self.node(target, self.shapes[x], self=x)

    def binary(self, target, a, b):
        return self.node(target, shape_of(self.shapes[a], self.shapes.get(b, [1])), self=a, other=b)

    add = lambda self, a, b: self.binary('add.Tensor', a, b)
    mul = lambda self, a, b: self.binary('mul.Tensor', a, b)
    exp = lambda self, x: self.unary('exp.default', x)
    neg = lambda self, x: self.unary('neg.default', x)
    rsqrt = lambda self, x: self.unary('rsqrt.default', x)
    silu = lambda self, x: self.unary('silu.default', x)
    softplus = lambda self, x: self.unary('softplus.default', x)
    power = lambda self, x, to: self.node('pow.Tensor_Scalar', self.shapes[x], self=x, exponent=to)
    mean = lambda self, x: self.node('mean.dim', self.shapes[x][:-1] + [1], self=x, dim=[-1], keepdim=True)

    def turn(self, x):
        a, b, c = self.shapes[x]
        return self.node('transpose.int', [a, c, b], self=x, dim0=1, dim1=2)

    def cut(self, x, axis, begin, end):
        shape = list(self.shapes[x])
        shape[axis] = end - begin
        return self.node('slice.Tensor', shape, self=x, dim=axis, start=begin, end=end)

    def linear(self, x, name, rows, columns):
        return self.node('linear.default', self.shapes[x][:-1] + [rows], input=x, weight=self.weight(name, [rows, columns]))

    def matmul(self, a, b):
        return self.node('matmul.default', self.shapes[a][:-1] + self.shapes[b][-1:], self=a, other=b)

    def conv(self, x, name, bias):
        shape = self.shapes[x][:2] + [self.shapes[x][2] + TAPS - 1]
        return self.node('conv1d.default', shape, input=x, weight=self.weight(name, [INNER, 1, TAPS]),
                         bias=self.weight(bias, [INNER]), padding=[TAPS - 1], groups=INNER)

    def cat(self, parts, axis):
        shape = list(self.shapes[parts[0]])
        shape[axis] = sum(self.shapes[part][axis] for part in parts)
        return self.node('cat.default', shape, tensors=parts, dim=axis)

    def embedding(self, ids, times):
        return self.node('embedding.default', [1, times, D], weight=self.weight('embedding', [VOCABULARY, D]), indices=ids)

    def head(self, x):
        return self.linear(x, 'embedding', VOCABULARY, D)

    def program(self):
        values = {name: {'dtype': 7, 'sizes': sizes(shape)} for name, shape in self.shapes.items()}
        inputs = [{'as_tensor': spec['parameter']['arg'] if 'parameter' in spec else spec['user_input']['arg']['as_tensor']}
                  for spec in self.inputs]
        return {'schema_version': {'major': 8, 'minor': 0},
                'graph_module': {'graph': {'inputs': inputs, 'nodes': self.nodes, 'tensor_values': values},
                                 'signature': {'input_specs': self.inputs, 'output_specs': self.outputs}}}

    def config(self):
        return {'config': {name: {'path_name': 'weight_0', 'use_pickle': False, 'tensor_meta': {
            'dtype': 7, 'sizes': sizes(self.shapes[value]), 'storage_offset': {'as_int': 0},
            'strides': sizes(strides(self.shapes[value]))}} for value, name in self.weights.items()}}

    def parts(self):
        """What the fuzzer's archive is made of."""
        return compact(self.program()) + b'\0' + compact(self.config())


def strides(shape):
    return [product(shape[i + 1:]) for i in range(len(shape))]


def product(shape):
    result = 1
    for size in shape:
        result *= size
    return result


def torch_operators():
    """An operator, the shape of its result, its arguments; x is [2, 3, 4], i are integers [1, 2], w a parameter [4, 4]."""
    same, text = [2, 3, 4], lambda value: {'as_string': value}
    unary = 'clone contiguous exp neg rsqrt sqrt sigmoid silu log1p softplus reciprocal alias detach zeros_like ones_like'
    yield from ((name + '.default', same, {'self': 'x'}) for name in unary.split())
    for name in 'add.Tensor', 'mul.Tensor', 'div.Tensor':
        yield name, same, {'self': 'x', 'other': 'x'}
        yield name, same, {'self': 'x', 'other': 0.5}
    yield 'gt.Scalar', same, {'self': 'x', 'other': 20}
    yield 'where.self', same, {'condition': 'x', 'self': 'x', 'other': 'x'}
    yield 'pow.Tensor_Scalar', same, {'self': 'x', 'exponent': 2}
    yield 'mean.dim', [2, 3, 1], {'self': 'x', 'dim': [-1], 'keepdim': True}
    yield 'sum.dim_IntList', [2, 4], {'self': 'x', 'dim': [1]}
    yield 'linear.default', same, {'input': 'x', 'weight': 'w'}
    yield 'matmul.default', same, {'self': 'x', 'other': 'w'}
    yield 'mm.default', [4, 4], {'self': 'w', 'mat2': 'w'}
    yield 'addmm.default', [4, 4], {'self': 'w', 'mat1': 'w', 'mat2': 'w', 'beta': 1, 'alpha': 1}
    yield 'embedding.default', [1, 2, 4], {'weight': 'w', 'indices': 'i'}
    yield 'full.default', [2], {'size': [2], 'fill_value': 0.0}
    yield 'constant_pad_nd.default', [2, 3, 7], {'self': 'x', 'pad': [3, 0], 'value': 0.0}
    yield 'pad.default', [2, 3, 7], {'self': 'x', 'pad': [3, 0], 'mode': text('constant')}
    yield 'cat.default', [2, 3, 8], {'tensors': ['x', 'x'], 'dim': -1}
    yield 'stack.default', [2, 2, 3, 4], {'tensors': ['x', 'x'], 'dim': 1}
    yield '_to_copy.default', same, {'self': 'x', 'dtype': 7}
    yield 'to.dtype', same, {'self': 'x', 'dtype': 7, 'copy': False}
    yield 't.default', [4, 4], {'self': 'w'}
    yield 'transpose.int', [4, 3, 2], {'self': 'x', 'dim0': 0, 'dim1': 2}
    yield 'permute.default', [4, 2, 3], {'self': 'x', 'dims': [2, 0, 1]}
    yield 'unsqueeze.default', [2, 1, 3, 4], {'self': 'x', 'dim': 1}
    yield 'squeeze.dim', [2], {'self': 'i', 'dim': 0}
    yield 'squeeze.dims', [2], {'self': 'i', 'dim': [0]}
    yield 'view.default', [6, 4], {'self': 'x', 'size': [6, 4]}
    yield 'expand.default', [3, 2], {'self': 'i', 'size': [3, -1]}
    yield 'slice.Tensor', [2, 1, 4], {'self': 'x', 'dim': 1, 'start': -3, 'end': -1, 'step': 2}
    yield 'select.int', [2, 4], {'self': 'x', 'dim': 1, 'index': -1}
    yield 'unbind.int', [[3, 4], [3, 4]], {'self': 'x', 'dim': 0}
    yield 'split_with_sizes.default', [[2, 3, 1], [2, 3, 3]], {'self': 'x', 'split_sizes': [1, 3], 'dim': -1}
    yield 'copy_.default', same, {'self': 'x', 'src': 'x'}
    yield 'copy.default', same, {'self': 'x', 'src': 'x'}
    yield 'slice_scatter.default', same, {'self': 'x', 'src': 'y', 'dim': 1, 'start': 1, 'end': 2, 'step': 1}
    yield 'select_scatter.default', same, {'self': 'x', 'src': 'z', 'dim': 1, 'index': 1}
    yield 'roll.default', same, {'self': 'x', 'shifts': [-1], 'dims': [-1]}
    yield 'cumsum.default', same, {'self': 'x', 'dim': 1}


def torch_graphs():
    for i, (target, shape, arguments) in enumerate(torch_operators()):
        b = Torch()
        names = {'x': b.input('x', [2, 3, 4]), 'i': b.input('i', [1, 2], True)}
        if 'y' in arguments.values() or 'z' in arguments.values():
            names.update(y=b.input('y', [2, 1, 4]), z=b.input('z', [2, 4]))
        if 'w' in arguments.values():
            names['w'] = b.weight('w', [4, 4])
        renamed = lambda v: [names[k] for k in v] if isinstance(v, list) and isinstance(v[0], str) else v
        result = b.node(target, shape, **{key: names.get(v, v) if isinstance(v, str) else renamed(v)
                                          for key, v in arguments.items()})
        b.output(result if isinstance(result, str) else result[-1])
        yield '%02d_%s' % (i, target), b.parts()
    b.nodes[0]['metadata'] = {'stack_trace': 'File "/a/b.py", line 3, in forward\n    return f(x)'}
    yield 'stack', b.parts()
    yield from ((name, mamba(Torch(), **options).parts()) for name, options in MAMBAS.items())
    b = mamba(Torch())
    entries = {'models/model.json': compact(b.program()), 'data/weights/model_weights_config.json': compact(b.config()),
               'data/weights/weight_0': bytes(256), 'byteorder': b'little'}
    yield 'mamba.pt2', archive({'m/' + name: data for name, data in entries.items()})
    weights = {name: Tensor('FloatStorage', '0', b.shapes[value]) for value, name in b.weights.items()}
    yield 'old.pt2', archive({'serialized_exported_program.json': compact(b.program()), 'version': b'8.4',
                              'serialized_state_dict.pt': torch_archive(weights, {'0': bytes(256)})})


# ---- torch.save ---------------------------------------------------------------------------------------------------------

class Storage(str):
    pass


class Tensor:
    def __init__(self, kind, key, shape, offset=0, parameter=False):
        self.storage, self.shape, self.offset, self.parameter = (kind, key), tuple(shape), offset, parameter

    def __reduce__(self):
        arguments = (StorageId(self.storage), self.offset, self.shape, tuple(strides(self.shape)), False, collections.OrderedDict())
        if self.parameter:
            inner = Tensor(*self.storage, self.shape, self.offset)
            return sys.modules['torch._utils']._rebuild_parameter, (inner, True, collections.OrderedDict())
        return sys.modules['torch._utils']._rebuild_tensor_v2, arguments


class StorageId:
    def __init__(self, storage):
        self.storage = storage


KINDS = 'Float Half BFloat16 Double Long Int Short Char Byte Bool'.split()


def pretend_torch():
    """Modules with the names that torch.save writes."""
    torch, utils = types.ModuleType('torch'), types.ModuleType('torch._utils')
    for kind in KINDS:
        setattr(torch, kind + 'Storage', type(kind + 'Storage', (), {'__module__': 'torch'}))
    for name in '_rebuild_tensor_v2', '_rebuild_parameter':
        exec('def %s(*arguments): pass' % name, utils.__dict__)
        getattr(utils, name).__module__ = 'torch._utils'
    sys.modules.update({'torch': torch, 'torch._utils': utils})


class Pickler(pickle.Pickler):
    def persistent_id(self, value):
        if isinstance(value, StorageId):
            kind, key = value.storage
            return 'storage', getattr(sys.modules['torch'], kind), key, 'cpu', 4
        return None


def pickled(value, protocol=2):
    out = io.BytesIO()
    Pickler(out, protocol).dump(value)
    return out.getvalue()


def archive(entries):
    out = io.BytesIO()
    with zipfile.ZipFile(out, 'w') as file:
        for name, data in entries.items():
            file.writestr(zipfile.ZipInfo(name), data)
    return out.getvalue()


def torch_archive(value, storages, protocol=2):
    entries = {'a/data.pkl': pickled(value, protocol), 'a/byteorder': b'little', 'a/version': b'3\n'}
    entries.update({'a/data/' + key: data for key, data in storages.items()})
    return archive(entries)


def torch_files():
    """Pickles, which the fuzzer puts into an archive with 64 bytes as storage 0 and 8 as storage 1; and archives."""
    one = {'a': Tensor('FloatStorage', '0', [2, 3])}
    ordered = collections.OrderedDict(a=Tensor('HalfStorage', '1', [4]), b=Tensor('HalfStorage', '1', [2], 1, True))
    ordered._metadata = collections.OrderedDict({'': {'version': 1}})
    for protocol in range(2, 5):
        yield 'one_%d' % protocol, pickled(one, protocol)
    yield 'ordered', pickled(ordered)
    yield 'kinds', pickled({kind: Tensor(kind + 'Storage', '0', [i % 3]) for i, kind in enumerate(KINDS)})
    yield 'nested', pickled({'model': one, 'step': 300, 'list': [1, -70000, 2 ** 40, 1.5, None, True, (), (1,), (1, 2, 3, 4)]})
    yield 'archive', torch_archive(one, {'0': bytes(range(24))})
    yield 'archive_ordered', torch_archive(ordered, {'1': bytes(8)})


# ---- ONNX ---------------------------------------------------------------------------------------------------------------

def varint(value):
    value &= 2 ** 64 - 1
    out = b''
    while value >= 128:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


FLOAT, INT64 = 1, 7


def tensor_message(name, shape, kind, data):
    return b''.join(field(1, n) for n in shape) + field(2, kind) + field(8, name) + field(9, data)


def attribute(name, value):
    if isinstance(value, list):
        return field(1, name) + b''.join(field(8, v) for v in value)
    return field(1, name) + (field(3, value) if isinstance(value, int) else field(4 if isinstance(value, str) else 5, value))


class Onnx:
    def __init__(self):
        self.count, self.graph, self.weights, self.shapes = 0, b'', {}, {}

    def name(self):
        self.count += 1
        return 'v%d' % self.count

    def node(self, kind, inputs, outputs=1, **attributes):
        names = [self.name() for _ in range(outputs)]
        message = b''.join(field(1, i) for i in inputs) + b''.join(field(2, n) for n in names) + field(4, kind)
        self.graph += field(1, message + b''.join(field(5, attribute(k, v)) for k, v in attributes.items()))
        return names[0]

    def value(self, number, name, shape):
        dimensions = b''.join(field(1, field(1, n)) for n in shape)
        self.graph += field(number, field(1, name) + field(2, field(1, field(1, FLOAT) + field(2, dimensions))))
        return name

    def input(self, name, shape, integers=False):
        return self.value(11, name, shape)

    def output(self, value):
        self.value(12, value, [1, 1, 1])

    def initializer(self, name, shape, kind, data):
        if name not in self.weights:
            self.weights[name] = True
            self.graph += field(5, tensor_message(name, shape, kind, data))
        return name

    def weight(self, name, shape):
        return self.initializer(name, shape, FLOAT, bytes(4 * product(shape)))

    def number(self, value):
        return self.initializer('f%g' % value, [], FLOAT, struct.pack('<f', value))

    def integers(self, *values):
        return self.initializer('i' + '_'.join(map(str, values)), [len(values)], INT64, struct.pack('<%dq' % len(values), *values))

    add = lambda self, a, b: self.node('Add', [a, b])
    mul = lambda self, a, b: self.node('Mul', [a, b])
    exp = lambda self, x: self.node('Exp', [x])
    neg = lambda self, x: self.node('Neg', [x])
    rsqrt = lambda self, x: self.node('Reciprocal', [self.node('Sqrt', [x])])
    silu = lambda self, x: self.mul(x, self.node('Sigmoid', [x]))
    softplus = lambda self, x: self.node('Softplus', [x])
    power = lambda self, x, to: self.node('Pow', [x, self.number(to)])
    mean = lambda self, x: self.node('ReduceMean', [x, self.integers(-1)])
    turn = lambda self, x: self.node('Transpose', [x], perm=[0, 2, 1])
    matmul = lambda self, a, b: self.node('MatMul', [a, b])

    def cut(self, x, axis, begin, end):
        return self.node('Slice', [x, self.integers(begin), self.integers(end), self.integers(axis)])

    def linear(self, x, name, rows, columns):
        return self.matmul(x, self.weight(name, [columns, rows]))

    def conv(self, x, name, bias):
        return self.node('Conv', [x, self.weight(name, [INNER, 1, TAPS]), self.weight(bias, [INNER])],
                         pads=[TAPS - 1, TAPS - 1], group=INNER)

    def cat(self, parts, axis):
        return self.node('Concat', parts, axis=axis)

    def embedding(self, ids, times):
        return self.node('Gather', [self.weight('embedding', [VOCABULARY, D]), ids])

    def head(self, x):
        return self.linear(x, 'head', VOCABULARY, D)

    def model(self):
        return field(7, self.graph) + field(8, field(2, 18))


def onnx_operators():
    """Operators of x [2, 3, 4], w [4, 4] (an initializer), c [1, 2]; a number or a list is an initializer."""
    yield from ((kind, ['x'], {}) for kind in 'Exp Neg Sigmoid Softplus Sqrt Reciprocal Identity Shape'.split())
    yield from ((kind, ['x', 'x'], {}) for kind in 'Add Mul Div Greater CastLike'.split())
    yield 'Cast', ['x'], {'to': 10}
    yield 'Pow', ['x', 2.0], {}
    yield 'Where', ['x', 'x', 'x'], {}
    yield 'MatMul', ['x', 'w'], {}
    yield 'Gemm', ['w', 'w', 'w'], {'transA': 1, 'transB': 1}
    yield 'Concat', ['x', 'x'], {'axis': -1}
    yield 'ConstantOfShape', [[2, 3]], {'value': tensor_message('', [1], FLOAT, bytes(4))}
    yield 'Constant', [], {'value': tensor_message('', [2], INT64, struct.pack('<2q', 1, 2))}
    yield 'Expand', ['c', [3, 2]], {}
    yield 'Gather', ['w', 'c'], {}
    yield 'Gather', ['x', [1]], {'axis': 1}
    yield 'Pad', ['x', [0, 0, 1, 0, 0, 0], 0.0], {'mode': 'constant'}
    yield 'ReduceMean', ['x', [-1]], {'keepdims': 1}
    yield 'ReduceSum', ['x', [1]], {'keepdims': 0}
    yield 'Reshape', ['x', [0, -1]], {}
    yield 'Slice', ['x', [1], [3], [1], [1]], {}
    yield 'Split', ['x', [1, 3]], {'axis': 2}
    yield 'Squeeze', ['c', [0]], {}
    yield 'Transpose', ['x'], {'perm': [2, 0, 1]}
    yield 'Unsqueeze', ['x', [0, -1]], {}


def onnx_models():
    for i, (kind, inputs, attributes) in enumerate(onnx_operators()):
        b = Onnx()
        known = {'x': lambda: b.input('x', [2, 3, 4]), 'c': lambda: b.input('c', [1, 2]), 'w': lambda: b.weight('w', [4, 4])}
        names = {n: known[n]() for n in dict.fromkeys(n for n in inputs if isinstance(n, str))}
        operands = [names[n] if isinstance(n, str) else b.number(n) if isinstance(n, float) else b.integers(*n) for n in inputs]
        b.output(b.node(kind, operands, 2 if kind == 'Split' else 1, **attributes))
        yield '%02d_%s' % (i, kind), b.model()
    b = Onnx()  # sizes that are computed
    size = b.node('Gather', [b.node('Shape', [b.input('x', [2, 3, 4])]), b.integers(1)])
    size = b.node('Concat', [b.node('Mul', [b.node('Div', [size, b.integers(1)]), b.integers(2)]), b.integers(-1)])
    b.output(b.node('Reshape', ['x', b.node('Slice', [b.node('Unsqueeze', [size, b.integers(0)]), b.integers(0), b.integers(2)])]))
    yield 'sizes', b.model()
    b = Onnx()
    external = [('location', 'other'), ('offset', '0'), ('length', '16')]
    b.graph += field(5, field(1, 4) + field(2, FLOAT) + field(8, 'w') + field(14, 1)
                     + b''.join(field(13, field(1, k) + field(2, v)) for k, v in external))
    yield 'external', b.model()
    b = Onnx()
    stack = 'File "/a/b.py", line 3, in forward\n    return f(x)'
    b.graph += field(1, field(2, 'v') + field(4, 'Nothing') + field(9, field(1, 'pkg.torch.onnx.stack_trace') + field(2, stack)))
    yield 'stack', b.model()
    yield from ((name, mamba(Onnx(), **options).model()) for name, options in MAMBAS.items())


# ---- safetensors --------------------------------------------------------------------------------------------------------

def safetensors(header, size):
    text = compact(header)
    text += b' ' * (-len(text) % 8)
    return struct.pack('<Q', len(text)) + text + bytes(size)


def safetensors_files():
    kinds = dict(F64=8, F32=4, F16=2, BF16=2, I64=8, I32=4, I16=2, I8=1, U8=1, BOOL=1, F8_E4M3=1)
    for kind, size in kinds.items():
        yield kind, safetensors({'a': {'dtype': kind, 'shape': [2], 'data_offsets': [0, 2 * size]}}, 2 * size)
    yield 'two', safetensors({'__metadata__': {'format': 'pt'}, 'a': {'dtype': 'F32', 'shape': [1, 2], 'data_offsets': [0, 8]},
                              'b': {'dtype': 'I8', 'shape': [], 'data_offsets': [8, 9]}}, 9)
    yield 'empty', safetensors({}, 0)


# ---- GGUF ---------------------------------------------------------------------------------------------------------------

U8, I8, U16, I16, U32, I32, F32, BOOL, TEXT, ARRAY, U64, I64, F64 = range(13)
FORMATS = dict(zip((U8, I8, U16, I16, U32, I32, F32, BOOL, U64, I64, F64), 'BbHhIif?Qqd'))


def gguf_text(text):
    data = text.encode() if isinstance(text, str) else text
    return struct.pack('<Q', len(data)) + data


def gguf_value(kind, value):
    if isinstance(value, list):
        return struct.pack('<IIQ', ARRAY, kind, len(value)) + b''.join(gguf_value(kind, v)[4:] for v in value)
    return struct.pack('<I', kind) + (gguf_text(value) if kind == TEXT else struct.pack('<' + FORMATS[kind], value))


def gguf(values, tensors, version=3):
    """values: key to (kind, value); tensors: name to (ggml type, shape with the fastest last, bytes)."""
    head = b'GGUF' + struct.pack('<IQQ', version, len(tensors), len(values))
    head += b''.join(gguf_text(key) + gguf_value(*value) for key, value in values.items())
    alignment = values.get('general.alignment', (U32, 32))[1]
    data = b''
    for name, (kind, shape, size) in tensors.items():
        head += gguf_text(name) + struct.pack('<I%dQIQ' % len(shape), len(shape), *reversed(shape), kind, len(data))
        data += bytes(size) + bytes(-size % alignment)
    return head + bytes(-len(head) % alignment) + data


def gguf_model():
    ints = dict(context_length=4, embedding_length=D, block_count=1)
    ints.update({'ssm.conv_kernel': TAPS, 'ssm.inner_size': INNER, 'ssm.state_size': STATES, 'ssm.time_step_rank': RANK})
    values = {'general.architecture': (TEXT, 'mamba'), 'general.alignment': (U32, 8)}
    values.update({'mamba.' + key: (U32, value) for key, value in ints.items()})
    values['mamba.attention.layer_norm_rms_epsilon'] = (F32, EPSILON)
    shapes = {'token_embd.weight': [VOCABULARY, D], 'output_norm.weight': [D]}
    shapes.update({'blk.0.' + name: shape for name, shape in {
        'attn_norm.weight': [D], 'ssm_in.weight': [2 * INNER, D], 'ssm_conv1d.weight': [INNER, TAPS], 'ssm_conv1d.bias': [INNER],
        'ssm_x.weight': [RANK + 2 * STATES, INNER], 'ssm_dt.weight': [INNER, RANK], 'ssm_dt.bias': [INNER],
        'ssm_a': [INNER, STATES], 'ssm_d': [INNER], 'ssm_out.weight': [D, INNER]}.items()})
    return gguf(values, {name: (0, shape, 4 * product(shape)) for name, shape in shapes.items()})


def byte_letters():
    """The letters that stand for bytes in the vocabularies of GPT-2 and its kin."""
    plain = [*range(ord('!'), ord('~') + 1), *range(0xa1, 0xac + 1), *range(0xae, 0xff + 1)]
    return [chr(b) for b in plain] + [chr(256 + i) for i in range(256 - len(plain))]


def gguf_tokenizer():
    tokens = byte_letters() + ['ab', 'abc', '<|end|>', 'user']
    return gguf({'general.alignment': (U32, 1), 'tokenizer.ggml.model': (TEXT, 'gpt2'), 'tokenizer.ggml.pre': (TEXT, 'olmo'),
                 'tokenizer.ggml.tokens': (TEXT, tokens),
                 'tokenizer.ggml.token_type': (I32, [1] * (len(tokens) - 2) + [3, 4]),
                 'tokenizer.ggml.merges': (TEXT, ['a b', 'ab c']), 'tokenizer.ggml.add_bos_token': (BOOL, False)}, {})


def gguf_files():
    small = {'general.alignment': (U32, 8)}
    for name, kind, size in ('F32', 0, 4), ('F16', 1, 2), ('BF16', 30, 2):
        yield name, gguf(small, {'a': (kind, [2, 2], 4 * size)})
    yield 'Q8_0', gguf(small, {'a': (8, [1, 32], 34), 'b': (0, [1], 4)}, version=2)
    for kind, letter in FORMATS.items():
        yield 'value_%d' % kind, gguf({'k': (kind, 1)}, {})
    yield 'texts', gguf({'a': (TEXT, 'b'), 'c': (TEXT, ['d', '']), 'e': (I32, [1, 2]), 'split.count': (U16, 1)}, {})
    yield 'model', gguf_model()
    yield 'tokenizer', gguf_tokenizer()
    yield 'few_tokens', gguf({'tokenizer.ggml.model': (TEXT, 'gpt2'), 'tokenizer.ggml.pre': (TEXT, 'mpt'),
                              'tokenizer.ggml.tokens': (TEXT, ['a', 'b', 'ab', '<e>']), 'tokenizer.ggml.merges': (TEXT, ['a b']),
                              'tokenizer.ggml.token_type': (I32, [1, 1, 1, 3])}, {})


# ---- Files --------------------------------------------------------------------------------------------------------------

def words_of(seeds):
    """The words in the seeds, as a dictionary of libFuzzer."""
    words = set()
    for _, data in seeds:
        words.update(re.findall(rb'[A-Za-z_][A-Za-z0-9_./-]{2,39}', data))
    return sorted(words)


def main():
    pretend_torch()
    formats = dict(safetensors=safetensors_files, gguf=gguf_files, torch_file=torch_files, torch_graph=torch_graphs,
                   onnx=onnx_models)
    for name, make in formats.items():
        folder = os.path.join(sys.argv[1], name)
        os.makedirs(folder, exist_ok=True)
        seeds = list(make())
        for seed, data in seeds:
            with open(os.path.join(folder, seed), 'wb') as file:
                file.write(data)
        with open(folder + '.dict', 'w') as file:
            file.writelines('"%s"\n' % word.decode() for word in words_of(seeds))


main()
