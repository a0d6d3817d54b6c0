#!/usr/bin/env python3
"""Makes the files of torch.save that the tests read. Needs torch and safetensors.

  make.py ../gguf/model . ../../Parameters/torch
"""
import collections
import os
import sys
import zipfile

import torch
from safetensors.torch import load_file

model, out, small = sys.argv[1:]

# The random model beside, in an OrderedDict with the metadata of a module, as Module.state_dict() has it.
tensors = load_file(model + '/model.safetensors')
state = collections.OrderedDict(sorted(tensors.items()))
state['lm_head.weight'] = state['backbone.embeddings.weight']
state._metadata = collections.OrderedDict({'': {'version': 1}})
torch.save(state, out + '/pytorch_model.bin')

# One tensor of every kind that is read; two that share their bytes; one within another's.
base = torch.arange(12, dtype=torch.float32)
torch.save({
    'f32': base.reshape(3, 4), 'shared': base.reshape(3, 4), 'row': base.reshape(3, 4)[1], 'empty': torch.zeros(0, 5),
    'scalar': torch.tensor(2.5), 'parameter': torch.nn.Parameter(torch.tensor([1.0, -1.0])),
    'f16': base.half(), 'bf16': base.bfloat16(), 'f64': base.double(), 'i64': base.long(), 'i32': base.int(),
    'i16': base.short(), 'i8': base.char(), 'u8': base.byte(), 'bool': base > 5,
}, small + '/kinds.bin')
torch.save({'one': torch.ones(2)}, small + '/legacy.bin', _use_new_zipfile_serialization=False)
torch.save({'turned': torch.ones(2, 3).T}, small + '/transposed.bin')
torch.save({'model': {'one': torch.ones(2)}}, small + '/nested.bin')
torch.save({'step': 7}, small + '/number.bin')


class Evil:
    def __reduce__(self):
        return os.system, ('false',)


torch.save({'evil': Evil()}, small + '/evil.bin')
with zipfile.ZipFile(small + '/kinds.bin') as archive, zipfile.ZipFile(
        small + '/compressed.bin', 'w', zipfile.ZIP_DEFLATED) as packed:
    for name in archive.namelist():
        packed.writestr(zipfile.ZipInfo(name), archive.read(name), zipfile.ZIP_DEFLATED)
