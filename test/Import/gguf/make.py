#!/usr/bin/env python3
"""Makes the files of this folder: a random model with the sample model's tokenizer, as a Hugging Face folder and as
llama.cpp's converter (convert_hf_to_gguf.py, class MambaModel) writes it. Needs numpy and the package gguf.

  make.py ../../../models/tiny/tokenizer.json .
"""
import json
import os
import struct
import sys

import gguf
import numpy as np

D, INNER, STATES, TAPS, RANK, LAYERS, VOCABULARY = 32, 64, 16, 4, 2, 2, 4096


def parameters(random):
    def normal(*shape, scale=1.0, mean=0.0):
        return (mean + scale * random.standard_normal(shape)).astype(np.float16)

    tensors = {'backbone.embeddings.weight': normal(VOCABULARY, D, scale=0.5)}
    for layer in range(LAYERS):
        tensors.update({
            'backbone.layers.%d.%s' % (layer, name): value for name, value in {
                'norm.weight': normal(D, scale=0.1, mean=1),
                'mixer.in_proj.weight': normal(2 * INNER, D, scale=D ** -0.5),
                'mixer.conv1d.weight': normal(INNER, 1, TAPS, scale=0.5),
                'mixer.conv1d.bias': normal(INNER, scale=0.1),
                'mixer.x_proj.weight': normal(RANK + 2 * STATES, INNER, scale=INNER ** -0.5),
                'mixer.dt_proj.weight': normal(INNER, RANK, scale=0.5),
                'mixer.dt_proj.bias': normal(INNER, scale=0.5, mean=-3),
                'mixer.A_log': (np.log(np.arange(1, STATES + 1))[None, :] + 0.1 * random.standard_normal(
                    (INNER, STATES))).astype(np.float16),
                'mixer.D': normal(INNER),
                'mixer.out_proj.weight': normal(D, INNER, scale=INNER ** -0.5),
            }.items()})
    tensors['backbone.norm_f.weight'] = normal(D, scale=0.1, mean=1)
    return tensors


def write_folder(folder, tensors):
    os.makedirs(folder, exist_ok=True)
    header, at = {}, 0
    for name, value in tensors.items():
        header[name] = {'dtype': 'F16', 'shape': list(value.shape), 'data_offsets': [at, at + value.nbytes]}
        at += value.nbytes
    text = json.dumps(header).encode()
    text += b' ' * (-len(text) % 8)
    with open(folder + '/model.safetensors', 'wb') as file:
        file.write(struct.pack('<Q', len(text)) + text)
        for value in tensors.values():
            file.write(value.tobytes())
    with open(folder + '/config.json', 'w') as file:
        json.dump({
            'model_type': 'mamba', 'architectures': ['MambaForCausalLM'], 'hidden_size': D,
            'intermediate_size': INNER, 'state_size': STATES, 'conv_kernel': TAPS, 'time_step_rank': RANK,
            'num_hidden_layers': LAYERS, 'vocab_size': VOCABULARY, 'use_bias': False, 'use_conv_bias': True,
            'layer_norm_epsilon': 1e-5, 'tie_word_embeddings': True, 'hidden_act': 'silu', 'eos_token_id': 0,
        }, file, indent=1)


RENAMED = [('backbone.embeddings', 'token_embd'), ('backbone.norm_f', 'output_norm'), ('backbone.layers.', 'blk.'),
           ('.norm.', '.attn_norm.'), ('.mixer.in_proj', '.ssm_in'), ('.mixer.conv1d', '.ssm_conv1d'),
           ('.mixer.x_proj', '.ssm_x'), ('.mixer.dt_proj', '.ssm_dt'), ('.mixer.A_log', '.ssm_a'),
           ('.mixer.D', '.ssm_d'), ('.mixer.out_proj', '.ssm_out')]


def add_tokenizer(writer, path):
    with open(path) as file:
        tokenizer = json.load(file)
    added = {token['content']: token for token in tokenizer['added_tokens']}
    ids = dict(tokenizer['model']['vocab'])
    ids.update({text: token['id'] for text, token in added.items()})
    texts = {i: text for text, i in ids.items()}
    tokens = [texts[i] for i in range(VOCABULARY)]
    merges = [m if isinstance(m, str) else ' '.join(m) for m in tokenizer['model']['merges']]
    control = [text in added and added[text]['special'] for text in tokens]
    user = [text in added and not added[text]['special'] for text in tokens]
    writer.add_tokenizer_model('gpt2')
    writer.add_tokenizer_pre('olmo' if tokenizer['normalizer'] else 'gpt-2')
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.CONTROL if c else gguf.TokenType.USER_DEFINED if u else
                            gguf.TokenType.NORMAL for c, u in zip(control, user)])
    writer.add_token_merges(merges)
    writer.add_eos_token_id(0)


def write_gguf(path, tensors, matrices, tokenizer=None):
    writer = gguf.GGUFWriter(path, 'mamba')
    writer.add_context_length(2 ** 20)
    writer.add_embedding_length(D)
    writer.add_feed_forward_length(0)
    writer.add_head_count(0)
    writer.add_block_count(LAYERS)
    writer.add_ssm_conv_kernel(TAPS)
    writer.add_ssm_inner_size(INNER)
    writer.add_ssm_state_size(STATES)
    writer.add_ssm_time_step_rank(RANK)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_ssm_dt_b_c_rms(False)
    if tokenizer:
        add_tokenizer(writer, tokenizer)
    for name, value in tensors.items():
        for old, new in RENAMED:
            name = name.replace(old, new)
        value = value.astype(np.float32)
        if name.endswith('ssm_a'):
            value = -np.exp(value)
        if 'ssm_conv1d' in name:
            value = value.squeeze()
        kind = gguf.GGMLQuantizationType.F32
        if value.ndim == 2 and not name.endswith('ssm_a') and 'ssm_conv1d' not in name:
            kind = matrices
            if kind == gguf.GGMLQuantizationType.Q8_0 and value.shape[1] % 32:
                kind = gguf.GGMLQuantizationType.F16
        writer.add_tensor(name, gguf.quants.quantize(value, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    tokenizer, out = sys.argv[1:]
    tensors = parameters(np.random.default_rng(1))
    write_folder(out + '/model', tensors)
    write_gguf(out + '/f16.gguf', tensors, gguf.GGMLQuantizationType.F16, tokenizer)
    write_gguf(out + '/q8_0.gguf', tensors, gguf.GGMLQuantizationType.Q8_0)


if __name__ == '__main__':
    main()
