"""Damaged IR, as text and as bytecode, and rules for layers. MLIR's own parser and verifiers say most of it, with a caret."""
import os
import re
import subprocess
import tempfile

from damage_hf import BASE
from harness import Case, saved

MODEL = os.path.abspath(BASE)


def made(tools, folder, *options):
    path = os.path.join(folder, 'good.mlir')
    subprocess.run([os.path.join(tools, 'mamba-opt'), MODEL, '-o', path, *options], check=True)
    with open(path, 'rb') as file:
        return file.read()


def cases(tools):
    with tempfile.TemporaryDirectory() as folder:
        text = made(tools, folder)
        kernels = made(tools, folder, '--mamba-static=samples=1 length=8')
        bytecode = made(tools, folder, '--emit-bytecode')
    out = []

    def add(name, word, data, tool='mamba-opt'):
        def build(folder):
            path = saved(folder, 'damaged.mlir', data)
            return {'mamba-opt': path, 'mamba-run': ['mamba-run', 'logits', path, '--ids=1,2', '--out=' + os.path.join(folder, 'logits')],
                    'mamba-compile': ['mamba-compile', path, '-o', os.path.join(folder, 'out'), '--quiet', '--samples=1', '--length=8']}[tool]
        out.append(Case('%s: %s' % (tool, name), word, build, 'damaged.mlir'))

    def change(name, word, old, new, tool='mamba-opt', base=text):
        assert old in base, old
        add(name, word, base.replace(old, new, 1), tool)

    texts(add, change, text)
    types(change)
    levels(change, kernels)
    bytes_(add, bytecode)
    return out + rules()


def texts(add, change, text):
    for tool in ('mamba-opt', 'mamba-run', 'mamba-compile'):
        add('half', "expected '='", text[:len(text) // 2], tool)
        add('garbage', 'unexpected character', bytes(range(1, 256)) * 10, tool)
        add('a picture', 'zero byte', b'\x89PNG\r\n\x1a\n\0\0\0\rIHDR' + bytes(100), tool)
        change('an operation that is not known', 'silu', b'mamba.silu', b'mamba.siluu', tool)
        change('a value that is not defined', 'undeclared', b'mamba.silu %layers.0.mixer.conv1d', b'mamba.silu %nowhere', tool)
    add('zeros', 'zero byte', bytes(100))
    add('a module that does not end', 'expected operation name', b'module {')
    add('100,000 modules in each other', 'brackets at most 1000 deep', b'module {' * 100000)
    add('100,000 tuples in each other', 'brackets at most 1000 deep', b'func.func private @f(' + b'tuple<' * 100000)
    add('100,000 arrays in each other', 'brackets at most 1000 deep', b'module attributes {a = ' + b'[' * 100000)
    add('100,000 locations in each other', 'brackets at most 1000 deep', b'module {} loc(' + b'callsite(' * 100000)
    add('invalid UTF-8', 'unexpected character', b'module { \xff\xfe }')
    add('a number of 100,000 digits', 'at most 1000 digits', b'module attributes {a = ' + b'9' * 100000 + b'} {')
    change('a value twice', 'redefinition', b'%layers.0.mixer.z =', b'%layers.0.mixer.x =')
    change('a symbol twice', 'redefinition', b'@layers.1.ssm :', b'@layers.0.ssm :')
    change('a use before its definition', 'dominate', b'mamba.silu %layers.0.mixer.conv1d', b'mamba.silu %layers.0.mixer.gate')


def types(change):
    for name, word, old, new in (
            ('another state', 'state', b'@layers.0.ssm : tensor<8x32xf32>', b'@layers.0.ssm : tensor<9x32xf32>'),
            ('a state that is not there', 'state', b'state @layers.0.conv', b'state @layers.7.conv'),
            ('a checkpoint that is not there', 'nope', b'mamba.weight @ckpt::@backbone.norm_f', b'mamba.weight @nope::@backbone.norm_f'),
            ('a slice outside', 'slice', b'mamba.slice %layers.0.mixer.in_proj from 32', b'mamba.slice %layers.0.mixer.in_proj from 33'),
            ('a slice before', 'slice', b'mamba.slice %layers.0.mixer.in_proj from 32', b'mamba.slice %layers.0.mixer.in_proj from -1'),
            ('epsilon 0', 'epsilon', b'epsilon 9.99999974E-6', b'epsilon 0.0'),
            ('epsilon -1', 'epsilon', b'epsilon 9.99999974E-6', b'epsilon -1.0'),
            ('epsilon of NaN', 'epsilon', b'epsilon 9.99999974E-6', b'epsilon 0x7FC00000'),
            ('a size of 2^62', 'expects different type', b'tensor<128x16xbf16> loc("backbone.emb', b'tensor<4611686018427387904x16xbf16> loc("backbone.emb'),
            ('a size of 2^64', 'invalid dimension', b'tensor<128x16xbf16> loc("backbone.emb', b'tensor<18446744073709551616x16xbf16> loc("backbone.emb'),
            ('a size of -1', ':92: ', b'tensor<128x16xbf16> loc("backbone.emb', b'tensor<-1x16xbf16> loc("backbone.emb'),
            ('weights of a type that is not there', 'none', b'tensor<128x16xbf16> loc("backbone.emb', b'tensor<128x16x!none> loc("backbone.emb'),
            ('weights of indices', 'index', b'tensor<128x16xbf16> loc("backbone.emb', b'tensor<128x16xindex> loc("backbone.emb'),
            ('an attribute that does not end', "expected '}'", b'{mamba.eos = 0 : i64}', b'{mamba.eos = 0 : i64'),
            ('the hash a number', 'integer literal', b'hash "xxh3', b'hash 7 "xxh3')):
        change(name, word, old, new)


def levels(change, kernels):
    scale = re.search(rb'mamba.scale [0-9.Ee+-]+', kernels).group()
    for name, word, old, new in (
            ('a kernel of other integers', '8-bit signless integer', b'xi8>', b'xi4>'),
            ('a scale of 0', 'a positive number', scale, b'mamba.scale 0.0'),
            ('a negative scale', 'a positive number', b'mamba.scale ', b'mamba.scale -'),
            ('a scale of NaN', 'a positive number', scale, b'mamba.scale 0x7FC00000'),
            ('a scale of infinity', 'a positive number', scale, b'mamba.scale 0x7F800000')):
        change('kernels: ' + name, word, old, new, base=kernels)


def bytes_(add, bytecode):
    for size in (4, 5, 8, 20, 100, len(bytecode) // 2, len(bytecode) - 1):
        add('%d of %d bytes of bytecode' % (size, len(bytecode)), 'end of the bytecode' if size < 5 else 'null character' if size < 20 else 'remain',
            bytecode[:size])
    for tool in ('mamba-run', 'mamba-compile'):
        add('half of the bytecode', 'remain', bytecode[:len(bytecode) // 2], tool)
    add('bytecode of version 99', 'version 99', bytecode[:4] + b'\xc7' + bytecode[5:])
    add('bytecode behind a byte', 'zero byte', b'\0' + bytecode)
    add('bytecode with another magic', 'zero byte', b'MLIR' + bytecode[4:])
    add('bytecode and more', 'invalid section', bytecode + b'more')


def rules():
    out = []

    def add(name, word, data):
        def build(folder):
            path = saved(folder, 'rules.txt', data)
            return ['mamba-opt', MODEL, '--mamba-rules=file=' + path, '-o', os.path.join(folder, 'out.mlir')]
        out.append(Case('rules: ' + name, word, build, 'rules.txt'))

    for line in (b'layers.0.*', b'layers.0.* y', b'layers.0.* y=', b'layers.0.* =f32', b'layers.0.* =', b'layers.0.* y=f33', b'layers.0.* yy=f32',
                 b'layers.0.* y=f32=f32', b'layers.0.* y.rotate=maybe', b'layers.0.* y.what=no', b'layers.9.* y=f32', b'layer.0.* y=f32',
                 b'[ y=f32', b'layers.0.* y=F32', b'layers.0.* y = f32', b'layers.0.*=f32', b'y=f32', b'layers.0.* y=f32 x=', b'layers.0.*\ty=f99',
                 b'{"layers.0.*": "f32"}', b'layers.0.* y=i8.token.row', b'* dt=rotate', b'* head.smooth=maybe', b'\xff\xfe y=f32', b'layers.0.* \xff=f32',
                 b'layers.0.* y=\0f32', b'layers.0.* y=f32,x=f32', b'n' * 1100 + b' y=f32', b'*' * 900 + b'z y=f32', b'layers.0.* ' + b'y=f32 ' * 300,
                 b'layers.0.* y.group=0', b'layers.0.* y.group=-32', b'layers.0.* y.percentile=101', b'layers.0.* .=f32', b'layers.0.* y.=no'):
        add('%r' % line[:40], ':1', line + b'\n')
        if len(line) < 40 and line[:1] == b'l':
            add('behind a good line, %r' % line, ':3', b'# why\nlayers.0.* y=f32\n' + line + b'\n')
    out.append(Case('rules: none there', 'rules.txt', lambda folder: [
        'mamba-opt', MODEL, '--mamba-rules=file=' + os.path.join(folder, 'rules.txt'), '-o', os.path.join(folder, 'out.mlir')], 'rules.txt'))
    return out
