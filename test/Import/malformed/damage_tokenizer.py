"""Damaged tokenizer.json, as mamba-run reads it beside a checkpoint."""
import copy
import json

import texts
from damage_hf import BASE, folder_of, load
from harness import Case

MISSING = object()
LETTERS = texts.byte_letters()
ADDED = {'id': 0, 'content': '<end>', 'single_word': False, 'lstrip': False, 'rstrip': False, 'normalized': False, 'special': True}
GOOD = {'version': '1.0', 'added_tokens': [ADDED], 'pre_tokenizer': {'type': 'ByteLevel', 'add_prefix_space': False},
        'decoder': {'type': 'ByteLevel'}, 'model': {'type': 'BPE', 'merges': ['a b', 'ab c'], 'vocab': {
            text: i + 1 for i, text in enumerate(LETTERS + ['ab', 'abc'])}}}


def cases(_):
    config, weights, _, _ = load(BASE)
    out = []

    def add(name, word, text):
        model = folder_of({'config.json': config, 'model.safetensors': weights, 'tokenizer.json': text})
        out.append(Case(name, word, lambda folder: ['mamba-run', 'generate', model(folder), 'text', '--tokens=1'], 'tokenizer.json'))

    def change(path, value, word=None):
        changed = item = copy.deepcopy(GOOD)
        for key in path[:-1]:
            item = item[key]
        if value is MISSING:
            item.pop(path[-1])
        else:
            item[path[-1]] = value
        shown = 'missing' if value is MISSING else json.dumps(value)[:200]
        add('%s %s' % ('.'.join(map(str, path)), shown), word or str(path[-1]), json.dumps(changed).encode())

    for name, text in texts.bad_json(json.dumps(GOOD).encode())[1::3]:
        add(name, 'tokenizer.json', text)
    for value in ('2.0', 1, [], 'x' * 100000):
        change(('version',), value)
    for key in ('truncation', 'padding'):
        change((key,), {'max_length': 5})
    for value in ({'type': 'NFKC'}, {'type': 'Lowercase'}, 'NFC', 7, {'type': 'Sequence', 'normalizers': [{'type': 'NFD'}]}):
        change(('normalizer',), value)
    for value in (MISSING, None, {'type': 'Whitespace'}, {'type': 'Sequence', 'pretokenizers': []}, 'ByteLevel', [],
                  {'type': 'ByteLevel', 'add_prefix_space': 1}, {'type': 'ByteLevel', 'use_regex': 'yes'}):
        change(('pre_tokenizer',), value)
    for value in (MISSING, None, {'type': 'Metaspace'}, []):
        change(('decoder',), value)
    for value in ({'type': 'BertProcessing'}, {'type': 'TemplateProcessing', 'single': []}, 'ByteLevel'):
        change(('post_processor',), value)
    for value in (MISSING, None, [], {}, 7, {'type': 'WordPiece'}, {'type': 'Unigram'}, {'type': 'BPE'}):
        change(('model',), value)
    for key, values in {'type': ('Unigram', 7), 'dropout': (0.1, 'none'), 'continuing_subword_prefix': ('##',), 'end_of_word_suffix': (
            '</w>', 7), 'byte_fallback': (True,), 'ignore_merges': (1,), 'vocab': (MISSING, None, [], {}, 'text'),
            'merges': (MISSING, None, {}, 'a b')}.items():
        for value in values:
            change(('model', key), value, 'vocab' if key == 'vocab' else None)
    for value in (-1, 2 ** 31, 2 ** 40, 1.5, '7', None, [], True, 2):
        change(('model', 'vocab', 'a'), value, 'id')
    change(('model', 'vocab', 'a'), MISSING, '0x61')
    for value in (['ab'], ['a b c'], ['a  b'], [''], [' '], [7], [None], [['a']], [['a', 'b', 'c']], [['a', 7]], ['a z!'], ['a b', 'a b'],
                  ['b a'], [[]]):
        change(('model', 'merges'), value)
    for value in ({}, 'text', 7, [None], [7], [{}], [dict(ADDED, content='')], [dict(ADDED, content=7)], [dict(ADDED, id=-1)],
                  [dict(ADDED, id=2 ** 31)], [dict(ADDED, id='0')], [dict(ADDED, id=1)], [dict(ADDED, special=1)],
                  [{k: v for k, v in ADDED.items() if k != 'lstrip'}], [ADDED, dict(ADDED, id=999)], [dict(ADDED, content='a')]):
        change(('added_tokens',), value, 'tokenizer.json')
    return out
