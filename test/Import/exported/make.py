#!/usr/bin/env python3
"""Makes the files of this folder from one small random model: a Hugging Face folder, and exports of it. Needs torch,
transformers, safetensors; for ONNX also onnx and onnxscript; for GGUF the package gguf.

  make.py model model                        the folder
  make.py odd odd                            another, of one layer whose sizes and switches are unusual ones
  make.py model prefill prefill.pt2          torch.export of five tokens without a cache
  make.py model decode decode.pt2            of one token with its states as inputs and outputs
  make.py model buffers buffers.pt2          of one token with its states as buffers that it changes
  make.py model core core.pt2                prefill, decomposed to the core ATen operators
  make.py odd scan scan.pt2                  the same of two tokens, whose scan is an associative one
  make.py model prefill prefill.onnx         torch.onnx.export of the same; likewise decode
  make.py model prefill old.onnx --script    by the older exporter
  make.py model external decode.onnx external.onnx   its weights in another file
  make.py model gguf model.gguf              as llama.cpp's converter has it
  make.py model bin pytorch_model.bin        as torch.save has it

The files here are prefill.pt2 of PyTorch 2.15, decode.pt2 of 2.6, buffers.pt2 of 2.8, scan.pt2 of 2.11; prefill.onnx;
decode.onnx by the older exporter, and external.onnx made from it; model.gguf and pytorch_model.bin.
"""
import importlib.util
import os
import sys

import torch
from transformers import DynamicCache, MambaConfig, MambaForCausalLM

TOKENS = 3


def make(folder, **config):
    torch.manual_seed(1)
    model = MambaForCausalLM(MambaConfig(eos_token_id=0, **config))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if 'norm' in name or name.endswith(('A_log', 'dt_proj.bias')):
                parameter += 0.1 * torch.randn_like(parameter)
            else:
                parameter.copy_(parameter.shape[-1] ** -0.5 * torch.randn_like(parameter))
    model.to(torch.bfloat16).save_pretrained(folder)
    os.remove(folder + '/generation_config.json')


def scan_in_a_tree():
    """transformers has the associative scan only where torch.compile traces, and that cannot be exported."""
    from transformers.models.mamba import modeling_mamba
    modeling_mamba.is_torchdynamo_compiling = lambda: True
    modeling_mamba.is_torchdynamo_exporting = lambda: False


class Prefill(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, ids):
        return self.model(ids, use_cache=False).logits


def cache_of(model, conv, ssm):
    cache = DynamicCache(config=model.config)
    for layer, conv_state, ssm_state in zip(cache.layers, conv, ssm):
        layer.lazy_initialization(conv_states=conv_state, recurrent_states=ssm_state)
        layer.conv_states[0], layer.recurrent_states[0], layer.has_previous_state[0] = conv_state, ssm_state, True
    return cache


def states(model):
    c = model.config
    return ([torch.zeros(1, c.intermediate_size, c.conv_kernel, dtype=model.dtype) for _ in range(c.num_hidden_layers)],
            [torch.zeros(1, c.intermediate_size, c.state_size, dtype=model.dtype) for _ in range(c.num_hidden_layers)])


class Decode(Prefill):
    def forward(self, ids, conv, ssm):
        conv, ssm = [state.clone() for state in conv], [state.clone() for state in ssm]
        logits = self.model(ids, cache_params=cache_of(self.model, conv, ssm), use_cache=True).logits
        return logits, conv, ssm


class Buffers(Prefill):
    def __init__(self, model):
        super().__init__(model)
        for i, (conv, ssm) in enumerate(zip(*states(model))):
            self.register_buffer('conv_%d' % i, conv)
            self.register_buffer('ssm_%d' % i, ssm)

    def forward(self, ids):
        n = self.model.config.num_hidden_layers
        cache = cache_of(self.model, [getattr(self, 'conv_%d' % i) for i in range(n)],
                         [getattr(self, 'ssm_%d' % i) for i in range(n)])
        return self.model(ids, cache_params=cache, use_cache=True).logits


def write_external(source, out):
    import onnx
    onnx.save(onnx.load(source), out, save_as_external_data=True, location=os.path.basename(out) + '.data',
              size_threshold=0)


def write_gguf(model, out):
    import gguf
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'gguf', 'make.py')
    spec = importlib.util.spec_from_file_location('make_gguf', path)
    make_gguf = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make_gguf)
    c = model.config
    make_gguf.D, make_gguf.INNER, make_gguf.STATES = c.hidden_size, c.intermediate_size, c.state_size
    make_gguf.TAPS, make_gguf.RANK, make_gguf.LAYERS = c.conv_kernel, c.time_step_rank, c.num_hidden_layers
    tensors = {name: value.float().numpy() for name, value in model.state_dict().items() if name != 'lm_head.weight'}
    make_gguf.write_gguf(out, tensors, gguf.GGMLQuantizationType.BF16)


def main():
    folder, kind, *out = sys.argv[1:]
    if kind == 'model':
        make(folder, vocab_size=128, hidden_size=16, state_size=8, num_hidden_layers=2, time_step_rank=2)
        return
    if kind == 'odd':
        make(folder, vocab_size=13, hidden_size=4, state_size=1, num_hidden_layers=1, time_step_rank=1, expand=3,
             conv_kernel=3, use_bias=True, use_conv_bias=False, tie_word_embeddings=False)
        return
    if kind == 'external':
        write_external(*out)
        return
    model = MambaForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).eval()
    if '--float' in out:
        model.float()
    if kind == 'gguf':
        write_gguf(model, out[0])
        return
    if kind == 'bin':
        torch.save(model.state_dict(), out[0])
        return
    if kind == 'scan':
        scan_in_a_tree()
    prompt = torch.ones(1, {'prefill': TOKENS, 'core': TOKENS, 'scan': 2}.get(kind, 1), dtype=torch.long)
    module = {'decode': Decode, 'buffers': Buffers}.get(kind, Prefill)(model).eval()
    arguments = (prompt, *states(model)) if kind == 'decode' else (prompt,)
    if out[0].endswith('.onnx'):
        torch.onnx.export(module, arguments, out[0], dynamo='--script' not in out, opset_version=18,
                          external_data=False)
        return
    program = torch.export.export(module, arguments, strict=False)
    if kind in ('core', 'scan'):
        program = program.run_decompositions()
    torch.export.save(program, out[0])


main()
