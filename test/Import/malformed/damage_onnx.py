"""Damaged files of ONNX: ../exported/decode.onnx, prefill.onnx and external.onnx, taken apart and written again."""
import os
import struct

import protobuf as pb
from harness import Case, fill, saved

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'exported')
GRAPH, OPSET, FUNCTION = 7, 8, 25                                    # of ModelProto
NODE, TENSOR, INPUT, OUTPUT, SPARSE = 1, 5, 11, 12, 15               # of GraphProto
IN, OUT, NAME, TYPE, ATTRIBUTE, DOMAIN = 1, 2, 3, 4, 5, 7            # of NodeProto
DIMS, KIND, FLOATS, TENSOR_NAME, RAW, EXTERNAL, LOCATION = 1, 2, 4, 8, 9, 13, 14   # of TensorProto
BEYOND = 2 ** 63


class Onnx:
    def __init__(self, name):
        with open(os.path.join(FOLDER, name), 'rb') as file:
            self.model = pb.decode(file.read())
        self.graph = [[number, pb.decode(value) if number in (NODE, TENSOR, INPUT, OUTPUT) else value]
                      for number, value in pb.decode(pb.get(self.model, GRAPH))]
        pb.put(self.model, GRAPH, self.graph)

    def all(self, number):
        return [value for field, value in self.graph if field == number]

    def node(self, kind, index=0):
        return [node for node in self.all(NODE) if pb.get(node, TYPE) == kind.encode()][index]

    def tensor(self, name):
        return next(tensor for tensor in self.all(TENSOR) if pb.get(tensor, TENSOR_NAME).endswith(name.encode()))

    def remove(self, message):
        self.graph[:] = [entry for entry in self.graph if entry[1] is not message]

    def write(self):
        return pb.encode(self.model)


def built(data, more=()):
    def build(folder):
        fill(folder, dict(more))
        return saved(folder, 'damaged.onnx', data)
    return build


def attribute(name, integer=None, integers=(), text=None):
    message = [[1, name]]
    if integer is not None:
        message += [[3, integer]]
    if text is not None:
        message += [[4, text]]
    return message + [[8, value] for value in integers]


def set_attribute(node, name, *arguments, **values):
    node[:] = [entry for entry in node if entry[0] != ATTRIBUTE or pb.get(pb.decode(entry[1]), 1) != name.encode()]
    node.append([ATTRIBUTE, attribute(name, *arguments, **values)])


def cases(_):
    out = []

    def add(name, word, data, more=()):
        out.append(Case(name, word, built(data, more)))

    def change(name, word, edit, base='decode.onnx', more=()):
        def build(folder):
            onnx = Onnx(base)
            edit(onnx)
            return built(onnx.write(), more)(folder)
        out.append(Case(name, word, build))

    messages(add, change)
    models(change)
    tensors(change)
    external(change)
    nodes(change)
    attributes(change)
    values(change)
    return out


def messages(add, change):
    with open(os.path.join(FOLDER, 'decode.onnx'), 'rb') as file:
        whole = file.read()
    add('empty', 'not a whole', b'')
    for size in (1, 2, 10, 100, 5000, len(whole) // 2, len(whole) - 1, len(whole) - 3):
        add('%d of %d bytes' % (size, len(whole)), 'damaged.onnx', whole[:size])
    add('a page of HTML', 'damaged.onnx', b'<!DOCTYPE html><html></html>')
    add('JSON', 'damaged.onnx', b'{"irVersion": "8", "graph": {}}')
    add('a pointer of Git LFS', 'damaged.onnx', b'version https://git-lfs.github.com/spec/v1\n')
    add('twice', 'damaged.onnx', whole[:-2] + b'\x3a\xff\xff\xff\x7f')
    add('zeros', 'damaged.onnx', bytes(1000))
    for wire in (3, 4, 6, 7):
        add('wire type %d' % wire, 'damaged.onnx', whole + bytes([7 << 3 | wire]))
    for size in (2 ** 31, 2 ** 32, BEYOND, 2 ** 64 - 1):
        add('a graph of %d bytes' % size, 'damaged.onnx', whole + b'\x3a' + pb.varint(size))
    add('a number of 11 bytes', 'damaged.onnx', whole + b'\x08' + b'\xff' * 11)
    add('a number that does not end', 'damaged.onnx', whole + b'\x08\x80')
    add('a key that does not end', 'damaged.onnx', whole + b'\x80')
    add('64 bits that are 3 bytes', 'damaged.onnx', whole + b'\x09abc')
    for number, what in ((NODE, 'node'), (TENSOR, 'tensor'), (INPUT, 'input'), (OUTPUT, 'output')):
        change('a %s that is cut' % what, 'damaged.onnx',
               lambda o, n=number: o.all(n)[-1].append([0, pb.Wire(b'\x0a\x7f')]))
        change('a %s of wire type 7' % what, 'damaged.onnx', lambda o, n=number: o.all(n)[-1].append([0, pb.Wire(b'\x0f')]))
        change('an integer for a %s' % what, 'damaged.onnx', lambda o, n=number: o.graph.append([n, 7]))
    change('2 million empty nodes', 'damaged.onnx', lambda o: o.graph.insert(0, [0, pb.Wire(b'\x0a\0' * 2000000)]))
    change('2 million empty tensors', 'name', lambda o: o.graph.insert(0, [0, pb.Wire(b'\x2a\0' * 2000000)]))
    change('a million outputs', 'damaged.onnx', lambda o: o.node('Exp').extend([OUT, ''] for _ in range(1000000)))


def models(change):
    change('no graph', 'damaged.onnx', lambda o: pb.put(o.model, GRAPH))
    change('an empty graph', 'damaged.onnx', lambda o: o.graph.clear())
    change('the graph a number', 'damaged.onnx', lambda o: pb.put(o.model, GRAPH, 7))
    change('no opset', 'opset', lambda o: pb.put(o.model, OPSET))
    for version in (0, 1, 12, -1):
        change('opset %d' % version, 'opset', lambda o, v=version: pb.put(o.model, OPSET, [[2, v]]))
    change('opset of another domain only', 'opset', lambda o: pb.put(o.model, OPSET, [[1, 'com.microsoft'], [2, 1]]))
    change('a function', 'functions', lambda o: pb.put(o.model, FUNCTION, [[1, 'f']]))
    change('a sparse tensor', 'sparse', lambda o: o.graph.append([SPARSE, [[3, 16]]]))
    change('no nodes', 'damaged.onnx', lambda o: pb.put(o.graph, NODE))
    change('no tensors', 'damaged.onnx', lambda o: pb.put(o.graph, TENSOR))
    change('no inputs', 'damaged.onnx', lambda o: pb.put(o.graph, INPUT))
    change('no outputs', 'damaged.onnx', lambda o: pb.put(o.graph, OUTPUT))


def tensors(change):
    name = 'layers.0.norm.weight'

    def one(case, edit, word=name):
        change('tensor: ' + case, word, lambda o: edit(o.tensor(name)))

    for sizes in ([-1], [-16], [0], [15], [17], [2 ** 31], [2 ** 62], [BEYOND - 1], [2 ** 32, 2 ** 32], [1] * 9, [16, 16], [],
                  [2 ** 21] * 3):
        one('sizes %s' % sizes, lambda t, s=sizes: pb.put(t, DIMS, *s))
    one('sizes that do not end', lambda t: t.append([DIMS, b'\xff']))
    one('a packed size too much', lambda t: t.append([DIMS, b'\2']))
    for kind in (0, 8, 14, 15, 17, 18, 19, 20, 21, 22, 23, 24, 99, 2 ** 31, -1):
        one('type %d' % kind, lambda t, k=kind: pb.put(t, KIND, k))
    for kind in (1, 2, 11):
        one('of bfloat16 called %d' % kind, lambda t, k=kind: pb.put(t, KIND, k))
    one('of integers', lambda t: pb.put(t, KIND, 5), 'expected')
    for size in (0, 1, 31, 33, 64):
        one('%d bytes of data' % size, lambda t, n=size: pb.put(t, RAW, bytes(n)))
    one('no data', lambda t: pb.put(t, RAW))
    one('floats for bfloat16', lambda t: pb.put(t, RAW) or pb.put(t, FLOATS, bytes(64)))
    one('no name', lambda t: pb.put(t, TENSOR_NAME), 'name')
    one('an empty name', lambda t: pb.put(t, TENSOR_NAME, ''), 'damaged.onnx')
    one('a name with a zero byte', lambda t: pb.put(t, TENSOR_NAME, 'a\0b'), 'name')
    one('another name', lambda t: pb.put(t, TENSOR_NAME, 'other'), 'computed before')
    change('tensor: twice', 'one definition', lambda o: o.graph.append([TENSOR, o.tensor(name)]))
    change('tensor: embedding turned', 'expected', lambda o: pb.put(o.tensor('embeddings.weight'), DIMS, 16, 128))
    change('tensor: embedding of other words', 'expected', lambda o: pb.put(o.tensor('embeddings.weight'), DIMS, 64, 32))
    change('tensor: convolution of 5 taps', 'expected', lambda o: pb.put(o.tensor('Conv_305'), DIMS, 32, 1, 5) or pb.put(
        o.tensor('Conv_305'), RAW, bytes(32 * 5 * 2)))
    change('tensor: convolution of 2 groups', 'expected', lambda o: pb.put(o.tensor('Conv_305'), DIMS, 16, 2, 4))


def external(change):
    with open(os.path.join(FOLDER, 'external.onnx.data'), 'rb') as file:
        data = file.read()
    name = 'layers.0.norm.weight'

    def one(case, word=name, more=(('external.onnx.data', data),), **entries):
        values = dict(location='external.onnx.data', offset='4096', length='32', **{})
        values.update(entries)
        fields = [[[1, key], [2, value]] for key, value in values.items() if value is not None]
        change('external: ' + case, word, lambda o: pb.put(o.tensor(name), EXTERNAL, *fields), 'external.onnx', more)

    for i, location in enumerate(('../external.onnx.data', '/etc/passwd', '/dev/zero', '..', '.', '', './external.onnx.data', 'a/../external.onnx.data',
                     'a//external.onnx.data', 'external.onnx.data/', '/', '//', '...', 'n' * 300, 'n/' * 400, 'n' * 5000, 'other.data',
                     'external.onnx.data\0', 'C:\\weights', '~/weights', 'file:///etc/passwd', b'\xff')):
        one('at %d %r' % (i, location[:24]), location=location)
    one('no location', location=None)
    for offset in ('-1', '1e3', '0x10', ' 0', '19937', '20000', str(2 ** 63), str(2 ** 64), '9' * 30, '', 'a'):
        one('offset %r' % offset, offset=offset)
    for length in ('-1', '0', '31', '33', '64', str(2 ** 63), str(2 ** 64 - 1), '', 'a', '32.0'):
        one('length %r' % length, length=length)
    file = 'external.onnx.data'
    for case, content in (('empty', b''), ('short', data[:4000]), ('a folder', None), ('a link', '/etc/passwd'), ('a pipe', 'pipe'),
                          ('a link to itself', file)):
        one('the file %s' % case, 'tensor', ((file, content),))
    one('a link to a folder', 'links', (('external.onnx.data', data), ('folder', '/etc')), location='folder/passwd')
    change('external: no file', 'tensor', lambda o: None, 'external.onnx')


def nodes(change):
    for base in ('decode.onnx', 'prefill.onnx'):
        kinds = sorted({pb.get(node, TYPE).decode() for node in Onnx(base).all(NODE)})
        for kind in kinds if base == 'decode.onnx' else set(kinds) - {'Gather', 'Cast', 'Add', 'Mul', 'MatMul', 'Exp', 'Concat'}:
            def one(case, word, edit, kind=kind, base=base):
                change('%s %s of %s' % (kind, case, base[:-5]), word, lambda o: edit(o, o.node(kind)), base)

            if kind != 'Expand':  # whose result nobody reads
                one('left out', 'expected', lambda o, n: o.remove(n))
            if base == 'decode.onnx':
                one('called Other', 'Other', lambda o, n: pb.put(n, TYPE, 'Other'))
                if kind not in ('Constant', 'Add', 'Mul', 'Cast', 'Shape'):
                    one('with operands in reverse, or of itself', 'expected', lambda o, n: pb.put(
                        n, IN, *(reversed(inputs(n)) if len(inputs(n)) > 1 else [pb.get(n, OUT)])))
    for kind in ('If', 'Loop', 'Scan', 'Softmax', 'LayerNormalization', 'Attention', 'QuantizeLinear', 'com.microsoft'):
        change('an operator %s' % kind, kind, lambda o, k=kind: pb.put(o.node('Exp'), TYPE, k))
    change('an operator of another domain', 'operator', lambda o: pb.put(o.node('Exp'), DOMAIN, 'com.microsoft'))
    change('no operator', 'operator', lambda o: pb.put(o.node('Exp'), TYPE))
    change('no result', 'one result', lambda o: pb.put(o.node('Exp'), OUT))
    change('an operand too many', 'no more operands', lambda o: o.node('Exp').append([IN, 'input.1']))
    change('a result too many', 'one result', lambda o: o.node('Exp').append([OUT, 'other']))
    change('no operands', 'computed before', lambda o: pb.put(o.node('Exp'), IN))
    change('an operand of no name', 'computed before', lambda o: pb.put(o.node('Exp'), IN, ''))
    change('an operand that is not there', 'computed before', lambda o: pb.put(o.node('Exp'), IN, 'nowhere'))
    change('a result twice', 'one definition', lambda o: pb.put(o.node('Exp', 1), OUT, pb.get(o.node('Exp'), OUT)))
    change('a result called as a parameter', 'one definition',
           lambda o: pb.put(o.node('Exp'), OUT, 'model.backbone.embeddings.weight'))
    change('a result called as an input', 'one definition', lambda o: pb.put(o.node('Exp'), OUT, 'input.1'))
    change('a circle of two', 'computed before', lambda o: pb.put(o.node('Exp'), IN, pb.get(o.node('Neg'), OUT)))
    change('a circle through the first', 'computed before', lambda o: pb.put(o.node('Gather'), IN, '297', 'input.1'))
    change('all in reverse', 'computed before', lambda o: o.graph.reverse())
    change('100,000 negations', 'expected', lambda o: chain(o, 'Neg', 100000))
    change('50,000 sums', 'expected', lambda o: chain(o, 'Add', 50000))
    change('a sum doubled 60 times', 'expected', lambda o: chain(o, 'Add', 60, 2))
    change('a sum of tensors doubled 60 times', 'expected', lambda o: chain(o, 'Concat', 60, 2))


def inputs(node):
    return [value for number, value in node if number == IN]


def chain(onnx, kind, count, operands=None):
    """Puts a chain of nodes between the embedding and the rest."""
    gather = onnx.node('Gather')
    last = pb.get(gather, OUT)
    pb.put(gather, OUT, 'chain0')
    made = []
    for i in range(count):
        before = 'chain%d' % i
        made.append([NODE, [[IN, before]] * (operands or 1 + (kind == 'Add')) + [
            [OUT, 'chain%d' % (i + 1) if i + 1 < count else last], [TYPE, kind]] + (
            [[ATTRIBUTE, attribute('axis', 2)]] if kind == 'Concat' else [])])
    at = next(i for i, entry in enumerate(onnx.graph) if entry[1] is gather)
    onnx.graph[at + 1:at + 1] = made


def attributes(change):
    def one(kind, name, word='expected', base='decode.onnx', **values):
        shown = ' '.join(str(value) for value in values.values())
        change('%s with %s %s' % (kind, name, shown), word, lambda o: set_attribute(o.node(kind), name, **values), base)

    for axis in (0, 1, 3, -4, 99, BEYOND):
        one('Concat', 'axis', integer=axis)
    for axis in (0, 3, -4, 99):
        one('Split', 'axis', integer=axis)
    for axis in (1, 2, -1, 99):
        one('Gather', 'axis', integer=axis)
    for axes in ((0, 1), (0, 0, 1), (0, 1, 3), (-1, 0, 1), (2, 1, 0), (0, 1, 2, 3), tuple(range(17)), (0, 1, BEYOND), ()):
        one('Transpose', 'perm', integers=axes)
    for name, values in (('group', (0, 1, 2, 31, -32, BEYOND)),):
        for value in values:
            one('Conv', name, integer=value)
    for name, values in (('strides', (0,)), ('strides', (2,)), ('strides', (1, 1)), ('dilations', (2,)), ('dilations', (0,)),
                         ('pads', (0, 1)), ('pads', (-1, 0)), ('pads', (0, 2 ** 40)), ('pads', (0, 0, 0, 0)),
                         ('kernel_shape', (5,)), ('kernel_shape', (4, 4))):
        one('Conv', name, integers=values)
    for mode in ('SAME_UPPER', 'SAME_LOWER', 'VALID?'):
        one('Conv', 'auto_pad', text=mode)
    for kind in (0, 6, 7, 9, 8, 99):
        one('Cast', 'to', integer=kind)
    one('Split', 'num_outputs', base='prefill.onnx', integer=3)


def values(change):
    """Constants and inputs of which the graph is made."""
    def constant(case, kind, operand, data, word='expected'):
        def edit(o):
            wanted = inputs(o.node(kind))[operand]
            node = next((n for n in o.all(NODE) if pb.get(n, OUT) == wanted), None)
            if node:
                holder = pb.decode(next(v for f, v in node if f == ATTRIBUTE))
                tensor = pb.decode(pb.get(holder, 5))
                fill(tensor, data)
                pb.put(holder, 5, tensor)
                pb.put(node, ATTRIBUTE, holder)
            else:
                fill(o.tensor(wanted.decode()), data)
        change('%s %s' % (kind, case), word, edit)

    def fill(tensor, data):
        pb.put(tensor, RAW, data)
        if len(data) % 8 == 0 and pb.get(tensor, KIND) == 7:
            pb.put(tensor, DIMS, len(data) // 8)

    def longs(*values):
        return struct.pack('<%dq' % len(values), *values)

    def floats(value):
        return struct.pack('<f', value)

    for value in (3.0, 0.0, -2.0, float('nan'), float('inf')):
        constant('to %g' % value, 'Pow', 1, floats(value))
    for value in (0.0, -1.0, 2.0, float('nan'), float('inf')):
        constant('of %g for epsilon' % value, 'Add', 1, floats(value))
    constant('of 2 by the root', 'Div', 0, floats(2.0))
    for axes in ((0,), (1,), (3,), (-4,), (2, 1), (BEYOND - 1,), tuple(range(20))):
        constant('along %s' % str(axes)[:20], 'ReduceMean', 1, longs(*axes))
    for axes in ((9,), (-9,), (2, 2), (0,)):
        constant('of %s' % str(axes), 'Unsqueeze', 1, longs(*axes))
        constant('of %s' % str(axes), 'Squeeze', 1, longs(*axes))
    for sizes in ((2, 8), (2, 8, 9), (2, 8, 8, 0), (0, 9, 9), (-2, 10, 10), (BEYOND - 1, 1, 1), (18,), (8, 2, 8)):
        constant('into %s' % str(sizes), 'Split', 1, longs(*sizes))
    for value in ((5,), (1, 1)):
        constant('from %s' % str(value), 'Slice', 1, longs(*value))

    def an_input(case, index, shape, kind=7, word='expected'):
        change('input %s' % case, word, lambda o: pb.put(
            o.all(INPUT)[index], 2, [[1, [[1, kind]] + ([] if shape is None else [[2, [[1, d] for d in shape]]])]]))

    an_input('of no shape', 0, None)
    an_input('of a size by name', 0, [[[2, 'batch']], [[1, 1]]], word='dynamic')
    an_input('of size 0', 0, [[[1, 0]], [[1, 1]]])
    an_input('of size -1', 0, [[[1, -1]], [[1, 1]]])
    an_input('of size 2^62', 0, [[[1, 2 ** 62]], [[1, 2 ** 62]]])
    an_input('of nine sizes', 0, [[[1, 1]]] * 9)
    an_input('of one size', 0, [[[1, 1]]])
    an_input('of two batches', 0, [[[1, 2]], [[1, 1]]])
    an_input('a state of another size', 1, [[[1, 1]], [[1, 32]], [[1, 5]]], 16)
    change('input twice', 'one definition', lambda o: o.graph.append([INPUT, o.all(INPUT)[0]]))
    change('input without a name', 'expected', lambda o: pb.put(o.all(INPUT)[0], 1))
    change('input of another name', 'computed before', lambda o: pb.put(o.all(INPUT)[0], 1, 'other'))
    change('output that is nowhere', 'damaged.onnx', lambda o: pb.put(o.all(OUTPUT)[0], 1, 'nowhere'))
    change('output of a state only', 'damaged.onnx', lambda o: o.remove(o.all(OUTPUT)[0]))
    change('output of the embedding', 'damaged.onnx',
           lambda o: pb.put(o.all(OUTPUT)[0], 1, pb.get(o.node('Gather'), OUT)))
