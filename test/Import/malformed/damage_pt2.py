"""Damaged archives of torch.export: ../exported/prefill.pt2 (2.15, weights as they are), decode.pt2 (2.6) and buffers.pt2 (2.8),
with another program, other weights, or entries that do not belong there."""
import json
import os

import archive
import texts
from harness import Case, saved

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'exported')
PROGRAM = {'prefill': 'models/model.json', 'decode': 'serialized_exported_program.json', 'buffers': 'models/model.json'}
MISSING = object()


def node(program, target, index=0):
    return [n for n in program['graph_module']['graph']['nodes'] if n['target'].endswith('aten.' + target)][index]


def argument(item, name):
    return next(i for i in item['inputs'] if i['name'] == name)['arg']


def replace(item, key, value):
    """Sets a key, or takes it out."""
    if value is MISSING:
        item.pop(key)
    else:
        item[key] = value


def shown(value):
    return 'missing' if value is MISSING else json.dumps(value)[:50]


def cases(_):
    out = []

    def add(name, word, data):
        out.append(Case(name, word, lambda folder: saved(folder, 'damaged.pt2', data)))

    def change(name, word, edit, base='prefill'):
        def build(folder):
            changed = archive.Archive(os.path.join(FOLDER, base + '.pt2'))
            edit(changed)
            return saved(folder, 'damaged.pt2', changed.write())
        out.append(Case(name, word, build))

    def program(name, word, edit, base='prefill'):
        def edit_archive(changed):
            entry = changed.find(PROGRAM[base])
            text = json.loads(entry.data)
            edit(text)
            entry.data = json.dumps(text).encode()
        change(name, word, edit_archive, base)

    for name, word, data in archive.damages(os.path.join(FOLDER, 'prefill.pt2'), 'models/model.json')[::3]:  # damage_torch.py has all
        add('archive: ' + name, word, data)
    entries(add, change)
    weights(change)
    programs(change, program)
    nodes(program)
    return out


def entries(add, change):
    add('empty', 'ZIP', b'')
    add('a page of HTML', 'ZIP', b'<!DOCTYPE html><html></html>')
    for name in ('data/constants/custom_obj_0', 'data/aotinductor/model/model.so', 'data/aotinductor/model/kernel.cubin', 'extra/x.py',
                 'data/../../../etc/passwd', 'code/model.py', 'models/other.json', 'data/weights/../model.pkl', '__torch__.py',
                 'data/xl_model_weights/model_param_config'):
        change('an entry ' + name, name, lambda a, n=name: a.entries.append(archive.Entry('prefill/' + n, b'data')))
    for name in ('models/model.json', 'data/weights/model_weights_config.json'):
        change('without ' + name, 'expected the archive to have', lambda a, n=name: a.entries.remove(a.find(n)))
    for name in ('serialized_exported_program.json', 'serialized_state_dict.pt'):
        change('without ' + name, 'expected the archive to have', lambda a, n=name: a.entries.remove(a.find(n)), 'decode')
    change('in big-endian', 'little-endian', lambda a: a.find('byteorder').__dict__.update(data=b'big'))
    for case, data in (('empty', b''), ('half', None), ('no archive', b'weights')):
        change('state %s' % case, 'ZIP', lambda a, d=data: a.find('state_dict.pt').__dict__.update(
            data=a.find('state_dict.pt').data[:1000] if d is None else d), 'decode')
    change('a state that calls', 'os.system', lambda a: a.find('state_dict.pt').__dict__.update(data=calling()), 'decode')


def calling():
    """A file of torch.save whose one tensor is os.system('echo')."""
    state = archive.Archive(os.path.join(FOLDER, '..', 'exported', 'pytorch_model.bin'))
    state.find('data.pkl').data = b'\x80\x02}X\1\0\0\0acos\nsystem\n(X\4\0\0\0echotRs.'
    return state.write()


def weights(change):
    name = 'model.backbone.norm_f.weight'

    def config(case, word, edit):
        def edit_archive(changed):
            entry = changed.find('model_weights_config.json')
            text = json.loads(entry.data)
            edit(text)
            entry.data = json.dumps(text).encode()
        change('weights: ' + case, word, edit_archive)

    def field(key, value, word=name, within=None):
        config('%s %s' % (key, shown(value)), word, lambda c: replace(
            c['config'][name][within] if within else c['config'][name], key, value))

    for case, text in texts.bad_json(b'{"config": {}}')[::6]:
        change('weights: ' + case, 'damaged.pt2', lambda a, t=text: a.find('model_weights_config.json').__dict__.update(data=t))
    for value in (MISSING, None, [], 'text', {}):
        config('config %s' % shown(value), 'damaged.pt2', lambda c, v=value: replace(c, 'config', v))
    for value in (MISSING, None, 7, '', 'weight_99', '../weights/weight_21', '/etc/passwd', 'n' * 1000, 'model.pt'):
        field('path_name', value)
    for value in (MISSING, True, None, 0, 'false'):
        field('use_pickle', value)
    for value in (MISSING, None, [], 'text', {}):
        field('tensor_meta', value)
    for value in (MISSING, None, 0, -1, 99, '13', 13.0, 9, 28, 29, 2 ** 40):
        field('dtype', value, within='tensor_meta')
    for sizes in (MISSING, None, 16, [16], [{'as_int': 17}], [{'as_int': -16}], [{'as_int': 2 ** 62}], [{'as_int': 2 ** 63 - 1}],
                  [{'as_expr': {'expr_str': 's0'}}], [{'as_int': 16.0}], [{'as_int': '16'}], [{'as_int': 1}] * 9, []):
        field('sizes', sizes, within='tensor_meta')
    for strides in (MISSING, None, [], [{'as_int': 2}], [{'as_int': 0}], [{'as_int': -1}], [{'as_int': '1'}], [{'as_int': 1}] * 2):
        field('strides', strides, within='tensor_meta')
    for offset in (MISSING, None, 0, {'as_int': 1}, {'as_int': -1}, {'as_int': '0'}, {'as_expr': 's0'}):
        field('storage_offset', offset, within='tensor_meta')
    config('another name', name, lambda c: c['config'].update(other=c['config'].pop(name)))
    config('an entry that is null', name, lambda c: c['config'].update({name: None}))
    config('fewer sizes that fit', 'expected', lambda c: c['config'][name]['tensor_meta'].update(sizes=[{'as_int': 8}]))
    change('weights: short data', name, lambda a: a.find('weight_21').__dict__.update(data=bytes(31)))
    change('weights: no data', name, lambda a: a.find('weight_21').__dict__.update(data=b''))


def programs(change, program):
    for case, text in texts.bad_json(b'{"schema_version": {"major": 8}}')[::3]:
        change('program: ' + case, 'damaged.pt2', lambda a, t=text: a.find('models/model.json').__dict__.update(data=t))
    change('program: half of it', 'JSON', lambda a: a.find('models/model.json').__dict__.update(
        data=a.find('models/model.json').data[:200000]))
    for value in (MISSING, None, 8, '8.2', {'major': 7, 'minor': 1}, {'major': 9, 'minor': 0}, {'major': '8'}, {'major': -8}, {}):
        program('schema %s' % shown(value), 'schema_version', lambda p, v=value: replace(p, 'schema_version', v))
    for path in (('graph_module',), ('graph_module', 'graph'), ('graph_module', 'signature'), ('graph_module', 'graph', 'nodes'),
                 ('graph_module', 'graph', 'tensor_values'), ('graph_module', 'signature', 'input_specs'),
                 ('graph_module', 'signature', 'output_specs')):
        for value in (MISSING, None, 'text', {} if path[-1] in ('nodes', 'input_specs', 'output_specs') else []):
            def edit(p, path=path, value=value):
                for key in path[:-1]:
                    p = p[key]
                replace(p, path[-1], value)
            program('%s %s' % (path[-1], shown(value)), 'damaged.pt2', edit)
    for key in ('nodes', 'tensor_values'):
        program('%s without items' % key, 'damaged.pt2', lambda p, k=key: p['graph_module']['graph'][k].clear())
    for key in ('input_specs', 'output_specs'):
        program('%s without items' % key, 'damaged.pt2', lambda p, k=key: p['graph_module']['signature'][k].clear())
        program('%s of nulls' % key, 'damaged.pt2', lambda p, k=key: p['graph_module']['signature'].update({k: [None, None]}))

    def spec(case, word, edit, index=0, base='prefill'):
        program('argument: ' + case, word, lambda p: edit(p['graph_module']['signature']['input_specs'], index), base)

    spec('left out', 'expected', lambda s, i: s.pop(i))
    spec('twice', 'one definition', lambda s, i: s.__setitem__(1, s[0]))
    spec('a custom object', 'custom objects', lambda s, i: s.__setitem__(-1, {'custom_obj': {'arg': {
        'name': 'a', 'class_fqn': 'b'}}}))
    spec('of a parameter that is not there', 'other.weight', lambda s, i: s[i]['parameter'].update(parameter_name='other.weight'))
    spec('of a parameter without a name', 'expected', lambda s, i: s[i]['parameter'].pop('parameter_name'))
    spec('of a parameter of no value', 'expected', lambda s, i: s[i]['parameter'].pop('arg'))
    spec('of another parameter', 'expected', lambda s, i: s[i]['parameter'].update(parameter_name='model.backbone.norm_f.weight'))
    spec('a constant', 'expected', lambda s, i: s[-1].update(user_input={'arg': {'as_int': 3}}))
    spec('a buffer without a name', 'expected', lambda s, i: s[-2]['buffer']['arg'].pop('name'), base='buffers')
    program('output: nowhere', 'damaged.pt2', lambda p: p['graph_module']['signature'].update(
        output_specs=[{'user_output': {'arg': {'as_tensor': {'name': 'nowhere'}}}}]))
    program('output: a number', 'damaged.pt2', lambda p: p['graph_module']['signature'].update(
        output_specs=[{'user_output': {'arg': {'as_int': 1}}}]))
    program('output: the embedding', 'expected', lambda p: p['graph_module']['signature'].update(
        output_specs=[{'user_output': {'arg': {'as_tensor': {'name': 'embedding'}}}}]))


def nodes(program):
    def one(case, target, edit, word='expected', index=0, base='prefill'):
        program('%s: %s' % (target, case), word, lambda p: edit(node(p, target, index), p), base)

    for target in ('embedding.default', 'pow.Tensor_Scalar', 'mean.dim', 'rsqrt.default', 'mul.Tensor', 'add.Tensor', 'linear.default',
                   'transpose.int', 'chunk.default', 'conv1d.default', 'slice.Tensor', 'silu.default', 'split_with_sizes.default',
                   'softplus.default', 'exp.default', 'neg.default', 'unsqueeze.default', 'select.int', 'matmul.default', 'squeeze.dim',
                   'stack.default', 'zeros.default'):
        one('left out', target, lambda n, p: p['graph_module']['graph']['nodes'].remove(n))
        one('called other', target, lambda n, p: n.update(target='torch.ops.aten.other.default'))
    for value in (None, 7, '', 'os.system', 'torch.ops.mylib.op.default', 'torch.ops.higher_order.cond', '_operator.add', [], MISSING):
        one('target %s' % shown(value), 'silu.default', lambda n, p, v=value: replace(n, 'target', v))
    for value in (None, [], {}, 'text', MISSING, [None], [{'name': 'self'}], [{'name': 'self', 'arg': {'as_tensor': {'name': 'nowhere'}}}],
                  [{'name': 'self', 'arg': {'as_tensor': {'name': 'silu'}}}], [{'name': 'self', 'arg': {'as_int': 3}}],
                  [{'name': 'self', 'arg': {'as_custom_obj': {'name': 'a', 'class_fqn': 'b'}}}]):
        one('inputs %s' % shown(value), 'silu.default', lambda n, p, v=value: replace(n, 'inputs', v))
    for value in (None, [], {}, MISSING, [{}], [{'as_tensor': {}}], [{'as_tensor': {'name': 7}}], [{'as_int': {'name': 'a'}}],
                  [{'as_tensor': {'name': 'embedding'}}], [{'as_tensor': {'name': 'ids'}}], [{'as_tensors': []}]):
        one('outputs %s' % shown(value), 'silu.default', lambda n, p, v=value: replace(n, 'outputs', v))
    one('a circle', 'exp.default', lambda n, p: argument(n, 'self').update(as_tensor={'name': node(p, 'neg.default')['outputs'][0]
                                                                           ['as_tensor']['name']}))
    program('nodes in reverse', 'expected', lambda p: p['graph_module']['graph']['nodes'].reverse())
    program('nodes that are numbers', 'expected', lambda p: p['graph_module']['graph']['nodes'].insert(0, 7))
    for name, values in {'pow.Tensor_Scalar exponent': ({'as_int': 3}, {'as_float': 'NaN'}, {'as_tensor': {'name': 'ids'}}),
                         'mean.dim dim': ({'as_ints': [0]}, {'as_ints': [3]}, {'as_ints': [-1, 1]}, {'as_ints': []}, {'as_ints': [2 ** 62]}),
                         'transpose.int dim0': ({'as_int': 9}, {'as_int': -9}, {'as_int': 0}),
                         'chunk.default dim': ({'as_int': 0}, {'as_int': 2}, {'as_int': 9}),
                         'conv1d.default groups': ({'as_int': 1}, {'as_int': 0}, {'as_int': -32}),
                         'conv1d.default padding': ({'as_ints': [2]}, {'as_ints': [-3]}, {'as_ints': [2 ** 40]}, {'as_ints': [3, 3]}),
                         'slice.Tensor end': ({'as_int': 2}, {'as_int': -9}),
                         'select.int index': ({'as_int': 3}, {'as_int': -4}, {'as_expr': {'expr_str': 's0'}}),
                         'unsqueeze.default dim': ({'as_int': 9}, {'as_int': -9}, {'as_float': 1.0}),
                         'split_with_sizes.default dim': ({'as_int': 0}, {'as_int': 9}),
                         'stack.default dim': ({'as_int': 0}, {'as_int': 9})}.items():
        target, key = name.split()
        for value in values:
            def edit(n, p, key=key, value=value):
                item = next((i for i in n['inputs'] if i['name'] == key), None)
                if item is None:
                    item = {'name': key, 'kind': 1}
                    n['inputs'].append(item)
                item['arg'] = value
            one('%s %s' % (key, shown(value)), target, edit)

    def meta(case, edit, word='expected', name='silu'):
        program('sizes of %s: %s' % (name, case), word, lambda p: edit(p['graph_module']['graph']['tensor_values'][name]))

    for name in ('silu', 'p_model_backbone_embeddings_weight', 'ids'):
        for sizes in ([], [{'as_int': 1}] * 9, [{'as_int': 7}], [{'as_expr': {'expr_str': 's0'}}], None, [{'as_int': -1}, {'as_int': 2}],
                      [{'as_int': 2 ** 62}, {'as_int': 2 ** 62}], [None]):
            meta(shown(sizes), lambda m, s=sizes: m.update(sizes=s), name=name)
    program('no sizes of the ids', 'expected', lambda p: p['graph_module']['graph']['tensor_values'].pop('ids'))
