"""Damaged folders: config.json, safetensors in one file and in shards with an index, and what is missing or contradictory."""
import copy
import json
import os
import struct

import texts
from harness import Case, fill, saved

BASE = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'exported', 'model')
MISSING = object()
SHARDS = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors']


def load(folder):
    with open(os.path.join(folder, 'config.json'), 'rb') as file:
        config = file.read()
    with open(os.path.join(folder, 'model.safetensors'), 'rb') as file:
        weights = file.read()
    end = 8 + struct.unpack_from('<Q', weights)[0]
    return config, weights, json.loads(weights[8:end]), weights[end:]


def pack(header, data, size=None):
    """A file of safetensors; the header as an object or as bytes."""
    if not isinstance(header, bytes):
        header = json.dumps(header, separators=(',', ':')).encode()
    return struct.pack('<Q', len(header) if size is None else size) + header + data


def split(header, data):
    """The index and two shards."""
    shards, where = [({}, b''), ({}, b'')], {}
    for number, (name, entry) in enumerate((k, v) for k, v in header.items() if k != '__metadata__'):
        own, bytes_ = shards[number % 2]
        begin, end = entry['data_offsets']
        own[name] = dict(entry, data_offsets=[len(bytes_), len(bytes_) + end - begin])
        shards[number % 2] = own, bytes_ + data[begin:end]
        where[name] = SHARDS[number % 2]
    return {'metadata': {}, 'weight_map': where}, [pack(*shard) for shard in shards]


def folder_of(files):
    """Builds the folder "model" of these files (harness.fill)."""
    def build(folder):
        model = os.path.join(folder, 'model')
        os.mkdir(model)
        fill(model, files)
        return model
    return build


class Table:
    """Collects cases of folders that are the base but for some files."""

    def __init__(self, folder=BASE):
        self.config, self.weights, self.header, self.data = load(folder)
        self.cases = []

    def add(self, name, word, files, file):
        whole = {'config.json': self.config, 'model.safetensors': self.weights, **files}
        self.cases.append(Case(name, word, folder_of({k: v for k, v in whole.items() if v is not MISSING}), file))

    def set_config(self, key, value, word=None):
        changed = json.loads(self.config)
        if value is MISSING:
            changed.pop(key)
        else:
            changed[key] = value
        shown = 'missing' if value is MISSING else json.dumps(value)
        self.add('config: %s %s' % (key, shown), word or key, {'config.json': json.dumps(changed).encode()}, 'model')

    def raw_config(self, name, text, word='config.json'):
        self.add('config: ' + name, word, {'config.json': text}, 'config.json')


DIMENSIONS = ['hidden_size', 'num_hidden_layers', 'state_size', 'conv_kernel', 'vocab_size', 'time_step_rank',
              'intermediate_size']
NO_SIZES = [0, -1, 2 ** 31, 1.5, '16', None]


def cases(_):
    table = Table()
    configurations(table)
    headers(table)
    tensors(table)
    indices(table)
    files(table)
    return table.cases


def configurations(table):
    for name, text in texts.bad_json(table.config):
        table.raw_config(name, text)
    for key in DIMENSIONS:
        for value in NO_SIZES:
            table.set_config(key, value)
    for key in ('hidden_size', 'num_hidden_layers', 'state_size', 'conv_kernel', 'layer_norm_epsilon'):
        table.set_config(key, MISSING)
    for key, value in (('hidden_size', 17), ('vocab_size', 129), ('state_size', 9), ('conv_kernel', 5),
                       ('intermediate_size', 33), ('time_step_rank', 3), ('num_hidden_layers', 1),
                       ('num_hidden_layers', 3), ('num_hidden_layers', 2 ** 20), ('vocab_size', 2 ** 20)):
        table.set_config(key, value, 'tensor')
    for value in (0, -1e-5, 1.5, 1e300, '1e-5', True, None, []):
        table.set_config('layer_norm_epsilon', value)
    for key in ('tie_word_embeddings', 'use_conv_bias', 'use_bias'):
        for value in (1, 'true', None, []):
            table.set_config(key, value)
    table.set_config('tie_word_embeddings', False, 'lm_head.weight')
    table.set_config('use_conv_bias', False, 'conv1d.bias')
    table.set_config('use_bias', True, 'in_proj.bias')
    for value in (-1, 128, 2 ** 40, 1.0, '0', True, [0, 1]):
        table.set_config('eos_token_id', value)
    for value in ('mamba2', 'llama', '', 7, None, ['mamba']):
        table.set_config('model_type', value)
    for value in (['Mamba2ForCausalLM'], [], ['LlamaForCausalLM', 7], 'MambaForCausalLM', {}):
        table.set_config('architectures', value)
    for value in ('relu', 'gelu', 7, None):
        table.set_config('hidden_act', value)
    table.set_config('quantization_config', {'bits': 4})
    table.set_config('expand', 0)
    table.set_config('expand', '2')
    table.raw_config('an empty object', b'{}', 'hidden_size')
    table.raw_config('of another model', b'{"model_type": "gpt2", "n_embd": 768}', 'model_type')


def headers(table):
    def add(name, data, word='model.safetensors'):
        table.add('header: ' + name, word, {'model.safetensors': data}, 'model.safetensors')

    good, data = json.dumps(table.header).encode(), table.data
    for size in (0, 1, 7, 8, 9, 100):
        add('%d bytes' % size, table.weights[:size])
    for size in (0, 1, len(good) - 1, len(good) + 1, len(good) + len(data) + 1, 100000001, 2 ** 31, 2 ** 63, 2 ** 64 - 1):
        add('a length of %d' % size, pack(good, data, size))
    for name, text in texts.bad_json(good)[::3]:
        add(name, pack(text, data))
    add('padded before', pack(b' ' + good, data))
    add('padded by zeros', pack(good + b'\0' * 8, data))
    add('padded by line ends', pack(good + b'\n\n', data))
    table.add('no tensors', 'embeddings.weight', {'model.safetensors': pack({}, b'')}, 'model')
    for metadata in ([], 'pt', None, {'format': 1}, {'format': {}}, {'format': None}):
        add('metadata %s' % json.dumps(metadata), pack(dict(table.header, __metadata__=metadata), data), '__metadata__')
    add('a second header', pack(good, table.weights))
    add('big-endian length', struct.pack('>Q', len(good)) + good + data)
    add('a pickle', b'\x80\x02}q\x00.' + data)
    add('a page of HTML', b'<!DOCTYPE html><html><body>404 not found</body></html>')
    add('a pointer of Git LFS', b'version https://git-lfs.github.com/spec/v1\noid sha256:' + b'0' * 64 + b'\nsize 16968\n')


def tensors(table):
    name = 'backbone.layers.0.mixer.D'

    def change(case, edit, word=name, data=None):
        header = copy.deepcopy(table.header)
        edit(header)
        table.add('tensor: ' + case, word, {'model.safetensors': pack(header, table.data if data is None else data)}, 'model')

    def field(key, value, word=name):
        def edit(header):
            if value is MISSING:
                del header[name][key]
            else:
                header[name][key] = value
        change('%s %s' % (key, 'missing' if value is MISSING else json.dumps(value)[:60]), edit, word)

    for key in ('dtype', 'shape', 'data_offsets'):
        for value in (MISSING, None, 7, {}, ''):
            field(key, value)
    for dtype in ('f32', 'F32 ', 'BF17', 'F4', 'F6_E2M3', 'float32', 'F8', 'I4', 'C64', 'F64'):
        field('dtype', dtype)
    begin, end = table.header[name]['data_offsets']
    for shape in ([], [31], [33], [32, 0], [32, 1, 1, 1, 1, 1, 1, 1, 1], [-32], [32.0], ['32'], [None], [True], [[32]],
                  [2 ** 63 - 1], [2 ** 62, 4], [2 ** 32, 2 ** 32], [2 ** 31, 2 ** 31, 2 ** 31], [4, 8], [1, 32], [0] * 100000):
        field('shape', shape)
    for offsets in ([begin], [begin, end, end], [end, begin], [begin, begin], [begin, end + 1], [begin - 1, end], [-1, end],
                    [begin, 2 ** 63 - 1], [float(begin), end], [str(begin), end], [begin + 64, end + 64],
                    [2 ** 62, 2 ** 62 + 64], [begin, None]):
        field('data_offsets', offsets)
    change('with a fourth key', lambda h: h[name].update(extra=1))
    change('is an array', lambda h: h.update({name: []}))
    change('is null', lambda h: h.update({name: None}))
    change('overlaps another', lambda h: h[name].update(data_offsets=h['backbone.layers.0.mixer.conv1d.bias']['data_offsets']), 'offset')
    change('leaves a hole', lambda h: h.pop(name), 'hole')
    change('another name', lambda h: h.update({name + 'd': h.pop(name)}), 'did you mean')
    change('a name of 100,000 letters', lambda h: h.update({'n' * 100000: h.pop(name)}), 'tensor')
    change('both spellings of the embedding', lambda h: h.update({'backbone.embedding.weight': dict(
        h['backbone.embeddings.weight'], data_offsets=[len(table.data), len(table.data) + 4096])}), 'backbone.embedding',
        table.data + table.data[:4096])
    change('a head that is not the embedding', lambda h: h.update({'lm_head.weight': dict(
        h['backbone.embeddings.weight'], data_offsets=[len(table.data), len(table.data) + 4096])}), 'lm_head.weight',
        table.data + bytes(4096))
    change('cut', lambda h: None, 'tensor', table.data[:-1])
    change('a byte more', lambda h: None, 'model.safetensors', table.data + b'\0')
    change('one of its rows less', lambda h: h['backbone.norm_f.weight'].update(
        shape=[15], data_offsets=[h['backbone.norm_f.weight']['data_offsets'][0], len(table.data) - 2]), 'norm_f',
        table.data[:-2])


def indices(table):
    index, shards = split(table.header, table.data)
    good = json.dumps(index).encode()
    name = 'backbone.layers.0.mixer.D'

    def add(case, word='index.json', text=good, first=shards[0], second=shards[1], **more):
        table.add('index: ' + case, word, {'model.safetensors': MISSING, 'model.safetensors.index.json': text,
                                           SHARDS[0]: first, SHARDS[1]: second, **more}, 'model')

    def change(case, edit, word=name):
        changed = copy.deepcopy(index)
        edit(changed)
        add(case, word, json.dumps(changed).encode())

    for case, text in texts.bad_json(good)[1::3]:
        add(case, text=text)
    for value in (MISSING, None, {}, [], 'text', 7):
        change('weight_map %s' % ('missing' if value is MISSING else json.dumps(value)),
               lambda i, v=value: i.pop('weight_map') if v is MISSING else i.update(weight_map=v), 'weight_map')
    for shard in ('', 'shard', '../' + SHARDS[0], '/' + SHARDS[0], 'a/' + SHARDS[0], 'a\\' + SHARDS[0], '.', '..', 7, None, [],
                  'model.bin', '.safetensors'):
        change('shard %s' % json.dumps(shard), lambda i, s=shard: i['weight_map'].update({name: s}))
    change('a shard that is not there', lambda i: i['weight_map'].update({name: 'other.safetensors'}), 'other.safetensors')
    change('a shard of 5,000 letters', lambda i: i['weight_map'].update({name: 'n' * 5000 + '.safetensors'}), 'index.json')
    change('the other shard', lambda i: i['weight_map'].update(
        {name: SHARDS[1 - SHARDS.index(i['weight_map'][name])]}))
    change('a tensor less', lambda i: i['weight_map'].pop(name))
    change('a tensor more', lambda i: i['weight_map'].update({'more.weight': SHARDS[0]}), 'more.weight')
    add('shards exchanged', 'tensor', first=shards[1], second=shards[0])
    add('the same shard twice', 'tensor', second=shards[0])
    add('a shard that is cut', SHARDS[1], second=shards[1][:-3])
    add('an empty shard', SHARDS[0], first=b'')
    add('a shard that is a folder', SHARDS[0], first=None)
    add('a shard that is a link to itself', SHARDS[0], first=SHARDS[0])
    add('a shard that is a pipe', SHARDS[0], first='pipe')
    add('a link to nowhere', SHARDS[1], second='nowhere')


def files(table):
    table.add('no config.json', 'config.json', {'config.json': MISSING}, 'model')
    table.add('no weights', 'model.safetensors', {'model.safetensors': MISSING}, 'model')
    for name in ('config.json', 'model.safetensors'):
        table.add('%s a folder' % name, 'folder', {name: None}, name)
        table.add('%s a pipe' % name, 'special file', {name: 'pipe'}, name)
        table.add('%s a link to itself' % name, 'cannot open', {name: name}, name)
        table.add('%s a device' % name, 'special file', {name: '/dev/zero'}, name)

    table.cases.append(Case('weights without their folder', 'config.json', lambda folder: saved(folder, 'model.safetensors', table.weights)))
    table.cases.append(Case('nothing there', 'nowhere', lambda folder: os.path.join(folder, 'nowhere')))
