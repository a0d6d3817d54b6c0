"""Damaged GGUF files: ../exported/model.gguf, taken apart and written again with one thing changed."""
import copy
import math
import os
import struct

from harness import Case, saved

BASE = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'exported', 'model.gguf')
U8, I8, U16, I16, U32, I32, F32, BOOL, TEXT, ARRAY, U64, I64, F64 = range(13)
FORMATS = {U8: 'B', I8: 'b', U16: 'H', I16: 'h', U32: 'I', I32: 'i', F32: 'f', BOOL: 'B', U64: 'Q', I64: 'q', F64: 'd'}
HUGE = 2 ** 63


class Unsized(bytes):
    """A text that is written without its size."""


def text(value):
    if isinstance(value, Unsized):
        return bytes(value)
    data = value if isinstance(value, bytes) else value.encode()
    return struct.pack('<Q', len(data)) + data


class Raw(bytes):
    """Bytes of a value that are written as they are."""


def value_bytes(kind, value):
    if isinstance(value, Raw):
        return bytes(value)
    if kind == TEXT:
        return text(value)
    if kind == ARRAY:
        element, items = value
        return struct.pack('<IQ', element, len(items)) + b''.join(value_bytes(element, item) for item in items)
    return struct.pack('<' + FORMATS[kind], value)


class Gguf:
    """magic, version, values {key: [type, value]}, tensors [name, sizes, type, offset, bytes]; tensor_count and value_count
    where they are to lie; tail behind the last tensor."""

    def __init__(self, data):
        at = [0]

        def take(spec):
            found = struct.unpack_from('<' + spec, data, at[0])
            at[0] += struct.calcsize('<' + spec)
            return found[0]

        def take_text():
            size = take('Q')
            at[0] += size
            return data[at[0] - size:at[0]].decode()

        def take_value(kind):
            if kind == TEXT:
                return take_text()
            if kind == ARRAY:
                element, count = take('I'), take('Q')
                return element, [take_value(element) for _ in range(count)]
            return take(FORMATS[kind])

        self.magic, self.tail, self.pad = data[:4], b'', b'\0'
        at[0] = 4
        self.version, tensors, values = take('I'), take('Q'), take('Q')
        self.tensor_count = self.value_count = None
        self.values = []
        for _ in range(values):
            key, kind = take_text(), take('I')
            self.values.append([key, kind, take_value(kind)])
        self.tensors = []
        for _ in range(tensors):
            name, rank = take_text(), take('I')
            self.tensors.append([name, [take('Q') for _ in range(rank)], take('I'), take('Q'), b''])
        begin = (at[0] + 31) // 32 * 32
        ends = [tensor[3] for tensor in self.tensors[1:]] + [len(data) - begin]
        for tensor, end in zip(self.tensors, ends):
            tensor[4] = data[begin + tensor[3]:begin + end]

    def write(self):
        out = self.magic + struct.pack('<IQQ', self.version,
                                       len(self.tensors) if self.tensor_count is None else self.tensor_count,
                                       len(self.values) if self.value_count is None else self.value_count)
        for key, kind, value in self.values:
            out += text(key) + struct.pack('<I', kind) + value_bytes(kind, value)
        for name, sizes, kind, offset, _ in self.tensors:
            out += text(name) + struct.pack('<I', len(sizes)) + struct.pack('<%dQ' % len(sizes), *sizes)
            out += struct.pack('<IQ', kind, offset)
        out += b'\0' * (-len(out) % 32)
        return out + b''.join(tensor[4] for tensor in self.tensors) + self.tail


def cases(_):
    with open(BASE, 'rb') as file:
        whole = file.read()
    base = Gguf(whole)
    assert base.write() == whole
    out = []

    def add(name, word, data):
        out.append(Case(name, word, lambda folder: saved(folder, 'damaged.gguf', data)))

    def change(name, word, edit):
        model = copy.deepcopy(base)
        edit(model)
        add(name, word, model.write())

    def set_value(key, kind, value, shown):
        def edit(model):
            model.values = [entry for entry in model.values if entry[0] != key] + [[key, kind, value]]
        change('%s = %s' % (key, shown), key, edit)

    def drop_value(key):
        change('without ' + key, key,
               lambda model: setattr(model, 'values', [entry for entry in model.values if entry[0] != key]))

    def set_tensor(case, word, number, **fields):
        def edit(model):
            for field, new in fields.items():
                index = ['name', 'sizes', 'type', 'offset', 'data'].index(field)
                model.tensors[number][index] = new
        change(case, word, edit)

    header(add, whole)
    counts(change)
    values(change, set_value, drop_value)
    descriptions(change, set_tensor, base)
    contradictions(change, base)
    return out + tokenizers(base)


def header(add, whole):
    for size in (0, 1, 3):
        add('%d bytes' % size, 'damaged.gguf', whole[:size])
    for size in (4, 7, 8, 12, 16, 20, 23):
        add('ends at byte %d of the header' % size, 'header', whole[:size])
    for magic in (b'gguf', b'GGUE', b'GGML', b'ggjt', b'GGLA', b'FUGG', b'\0GGU'):
        add('magic %r' % magic, 'damaged.gguf', magic + whole[4:])
    for version in (0, 1, 4, 5, 2 ** 31, 2 ** 32 - 1):
        add('version %d' % version, 'version', whole[:4] + struct.pack('<I', version) + whole[8:])
    add('big-endian', 'big-endian', b'GGUF' + struct.pack('>IQQ', 3, 22, 12) + whole[24:])
    add('descriptions only', 'tensor', whole[:1700])
    add('ends in the values', 'fit 26 bytes', whole[:50])
    add('ends in the tensors', 'bytes of data', whole[:-40])
    add('a byte behind the data', 'end at offset', whole + b'\0')
    add('64 bytes behind the data', 'end at offset', whole + bytes(64))
    add('twice', 'end at offset', whole + whole)


def counts(change):
    for count in (11, 13, 40, 2 ** 20, 2 ** 31, 2 ** 32, HUGE - 1, HUGE, 2 ** 64 - 1):
        change('%d values' % count, 'damaged.gguf', lambda model, n=count: setattr(model, 'value_count', n))
    for count in (0, 21, 23, 2 ** 20, 2 ** 32, HUGE, 2 ** 64 - 1):
        change('%d tensors' % count, 'damaged.gguf', lambda model, n=count: setattr(model, 'tensor_count', n))


def values(change, set_value, drop_value):
    for key in ('general.architecture', 'mamba.embedding_length', 'mamba.block_count', 'mamba.ssm.conv_kernel',
                'mamba.ssm.inner_size', 'mamba.ssm.state_size', 'mamba.ssm.time_step_rank',
                'mamba.attention.layer_norm_rms_epsilon'):
        drop_value(key)
        set_value(key, ARRAY, (U32, [16]), 'an array')
    for key in ('mamba.embedding_length', 'mamba.block_count', 'mamba.ssm.conv_kernel', 'mamba.ssm.inner_size',
                'mamba.ssm.state_size', 'mamba.ssm.time_step_rank'):
        for kind, value in ((U32, 0), (I32, -1), (U64, 2 ** 63), (I64, -2 ** 63)):
            set_value(key, kind, value, '%d' % value)
        set_value(key, F32, 16.0, 'a float')
    for value in (0.0, -1e-5, 1.5, math.inf, -math.inf, math.nan):
        set_value('mamba.attention.layer_norm_rms_epsilon', F32, value, '%g' % value)
    set_value('mamba.attention.layer_norm_rms_epsilon', U32, 1, 'an integer')
    for name in ('llama', 'mamba2', 'Mamba', 'mamba\0', '', 'jamba'):
        set_value('general.architecture', TEXT, name, repr(name))
    set_value('general.architecture', U32, 1, 'a number')
    set_value('mamba.ssm.dt_b_c_rms', BOOL, 1, 'true')
    set_value('mamba.ssm.dt_b_c_rms', U8, 0, 'a number')
    set_value('mamba.ssm.dt_b_c_rms', BOOL, 2, '2')
    for alignment in (0, 3, 24, 33, 2 ** 31, 2 ** 32 - 1):
        set_value('general.alignment', U32, alignment, '%d' % alignment)
    set_value('general.alignment', TEXT, '32', 'text')
    set_value('general.alignment', I32, -32, '-32')
    set_value('split.count', TEXT, 'a', 'text')
    for identifier in (128, 2 ** 31):
        set_value('tokenizer.ggml.eos_token_id', U32, identifier, '%d' % identifier)
    set_value('tokenizer.ggml.eos_token_id', I32, -1, '-1')
    for kind in (13, 14, 255, 2 ** 31, 2 ** 32 - 1):
        set_value('some.key', kind, Raw(b''), 'of type %d' % kind)
    set_value('some.key', ARRAY, Raw(struct.pack('<IQ', ARRAY, 1) + struct.pack('<IQ', U8, 1) + b'\0'), 'an array of arrays')
    set_value('some.key', ARRAY, Raw(struct.pack('<IQ', 99, 0)), 'an array of type 99')
    set_value('some.key', ARRAY, (BOOL, [0, 1, 7]), 'an array of bad bools')

    def last(name, kind, data, word='inside of'):
        change(name, word, lambda model: model.values.append(['some.key', kind, Raw(data)]))

    for count in (2 ** 31, 2 ** 61, HUGE, 2 ** 64 - 1):
        last('an array of %d bytes' % count, ARRAY, struct.pack('<IQ', U8, count))
        last('an array of %d doubles' % count, ARRAY, struct.pack('<IQ', F64, count))
        last('an array of %d texts' % count, ARRAY, struct.pack('<IQ', TEXT, count))
        last('a text of %d bytes' % count, TEXT, struct.pack('<Q', count))
    last('a text in an array that does not end', ARRAY, struct.pack('<IQQ', TEXT, 2, 2 ** 40))
    change('one part of two', 'one of 2 parts', lambda model: model.values.append(['split.count', U16, 2]))
    for size in (2 ** 31, HUGE, 2 ** 64 - 1):
        change('a key of %d bytes' % size, 'inside of a key',
               lambda model, n=size: model.values.append([Unsized(struct.pack('<Q', n) + b'key'), U8, 0]))
    change('a key of 65,536 bytes', 'a key of at most 65535',
           lambda model: model.values.append(['k' * 65536, U8, 0]))
    change('a key twice', 'mamba.block_count',
           lambda model: model.values.append(['mamba.block_count', U32, 2]))
    change('an empty key twice', 'twice', lambda model: model.values.extend([['', U8, 0], ['', U8, 1]]))


def descriptions(change, set_tensor, base):
    first = base.tensors[0][0]
    for rank in (0, 5, 9):
        set_tensor('%d dimensions' % rank, first, 0, sizes=[16] * rank)
    for sizes in ([16, 0], [0, 0], [16, 127], [16, 129], [128, 16], [2 ** 32, 2 ** 32], [2 ** 62, 2], [HUGE, 1], [16, HUGE],
                  [2 ** 64 - 1, 1], [16, 128, 2], [2048], [2 ** 31, 2 ** 31, 2 ** 31, 2 ** 31]):
        set_tensor('sizes %s' % sizes, 'tensor', 0, sizes=sizes)
    for kind in (2, 3, 6, 9, 12, 14, 24, 28, 39, 2 ** 32 - 1):
        set_tensor('type %d' % kind, 'ggml type %d' % kind, 0, type=kind)
    set_tensor('F32 in the place of BF16', 'offset', 0, type=0)
    set_tensor('Q8_0 of rows of 16', 'Q8_0', 0, type=8)
    for offset in (1, 16, 31, 2 ** 31, HUGE, 2 ** 64 - 1, 2 ** 64 - 32):
        set_tensor('offset %d' % offset, first, 0, offset=offset)
    second = base.tensors[1]
    for offset in (0, second[3] - 32, second[3] + 1, second[3] + 32, 2 ** 64 - 32):
        set_tensor('the second tensor at %d' % offset, second[0], 1, offset=offset)
    set_tensor('a name of 64 bytes', '63', 0, name='n' * 64)
    set_tensor('a name with a zero byte', 'zero byte', 0, name='token\0embd.weight')
    set_tensor('an empty name', 'token_embd.weight', 0, name='')
    set_tensor('a name of invalid UTF-8', 'token_embd.weight', 0, name=b'token_embd.\xff\xfe')
    set_tensor('a name twice', 'twice', 1, name=first)
    for name in ('token_embd.weigh', 'blk.2.attn_norm.weight', 'blk.00.attn_norm.weight', 'blk.-1.attn_norm.weight',
                 'blk.+0.attn_norm.weight', 'blk.99999999999.attn_norm.weight', 'blk.0.ssm_dt_norm.weight'):
        set_tensor('the second tensor called ' + name, 'layers.0.norm.weight', 1,
                   name=name)


def contradictions(change, base):
    """Tensors that are not those of the configuration, and the other way round."""
    def remove(model, name):
        rest = [tensor for tensor in model.tensors if tensor[0] != name]
        place(model, rest)

    def place(model, tensors):
        model.tensors, offset = tensors, 0
        for tensor in tensors:
            tensor[3] = offset
            offset += len(tensor[4])

    for name in [tensor[0] for tensor in base.tensors]:
        change('without ' + name, 'tensor', lambda model, n=name: remove(model, n))
    change('one tensor more', 'more.weight',
           lambda model: place(model, model.tensors + [['more.weight', [16], 0, 0, bytes(64)]]))
    change('a third layer', 'layers.2',
           lambda model: place(model, model.tensors + [['blk.2.' + t[0][6:]] + copy.deepcopy(t[1:]) for t in model.tensors
                                                       if t[0].startswith('blk.1.')]))


def tokenizers(base):
    """Asked for by mamba-run generate; a tokenizer of 256 bytes in a model of 128 tokens is not the fault here."""
    out = []
    printed = [*range(33, 127), *range(161, 173), *range(174, 256)]  # GPT-2's letters for bytes: themselves, or above 255
    alphabet = [chr(c) for c in printed] + [chr(256 + i) for i in range(256 - len(printed))]
    good = {'model': [TEXT, 'gpt2'], 'pre': [TEXT, 'gpt-2'], 'tokens': [ARRAY, (TEXT, alphabet + ['ab'])],
            'token_type': [ARRAY, (I32, [1] * 257)], 'merges': [ARRAY, (TEXT, ['a b'])]}

    def add(name, word, **fields):
        entries = dict(good, **fields)
        model = copy.deepcopy(base)
        model.values += [['tokenizer.ggml.' + key] + entry for key, entry in entries.items() if entry]

        def build(folder):
            path = saved(folder, 'damaged.gguf', model.write())
            return ['mamba-run', 'generate', path, 'text']
        out.append(Case('tokenizer: ' + name, word, build, 'damaged.gguf'))

    for key in ('pre', 'tokens', 'token_type', 'merges'):
        add('without ' + key, 'tokenizer.ggml.' + key, **{key: None})
        add(key + ' is a number', 'tokenizer.ggml.' + key, **{key: [U32, 7]})
        add(key + ' are numbers', 'tokenizer.ggml.' + key, **{key: [ARRAY, (U8, [7])]})
    add('model llama', 'tokenizer.ggml.model', model=[TEXT, 'llama'])
    add('model 7', 'tokenizer.ggml.model', model=[U8, 7])
    add('pre llama-bpe', 'tokenizer.ggml.pre', pre=[TEXT, 'llama-bpe'])
    add('adds a token at the beginning', 'add_bos_token', add_bos_token=[BOOL, 1])
    add('fewer types', 'a type for each', token_type=[ARRAY, (I32, [1] * 256)])
    add('more types', 'a type for each', token_type=[ARRAY, (I32, [1] * 258)])
    for kind in (0, 2, 6, -1, 2 ** 31 - 1):
        add('token type %d' % kind, 'type', token_type=[ARRAY, (I32, [kind] + [1] * 256)])
    add('a token of invalid UTF-8', 'UTF-8', tokens=[ARRAY, (TEXT, [b'\xff\xfe', *alphabet])])
    add('a token with a zero byte', 'UTF-8', tokens=[ARRAY, (TEXT, ['a\0b', *alphabet])])
    add('a token twice', 'twice', tokens=[ARRAY, (TEXT, [alphabet[1], *alphabet])])
    add('a merge of invalid UTF-8', 'merge', merges=[ARRAY, (TEXT, [b'\xff \xfe'])])
    add('a merge without a space', 'merge', merges=[ARRAY, (TEXT, ['ab'])])
    add('a merge of what is no token', 'merge', merges=[ARRAY, (TEXT, ['a \u2603'])])
    add('no bytes', 'damaged.gguf', tokens=[ARRAY, (TEXT, [])], token_type=[ARRAY, (I32, [])])
    return out
