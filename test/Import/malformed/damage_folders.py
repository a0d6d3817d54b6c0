"""Damaged folders of the two other kinds: FalconMamba (../falcon/model), and the configuration of state-spaces/mamba, with the
weights of ../exported/model under the names that it has there."""
import json
import os

from damage_hf import BASE, MISSING, NO_SIZES, Table, pack

FALCON = os.path.join(BASE, '..', '..', 'falcon', 'model')
ORIGINAL = {'d_model': 16, 'n_layer': 2, 'vocab_size': 128, 'ssm_cfg': {'d_state': 8, 'dt_rank': 2}, 'rms_norm': True,
            'tie_embeddings': True, 'pad_vocab_size_multiple': 8}


def cases(_):
    return falcon() + original()


def falcon():
    table = Table(FALCON)
    for value in (0, -1e-6, 1.5, 'small', None, True, [], 1e300):
        table.set_config('mixer_rms_eps', value)
    for value in ('mamba2', 'falcon', 'FalconMamba', 7, None):
        table.set_config('model_type', value)
    table.set_config('model_type', 'mamba', 'architectures')
    for value in (['MambaForCausalLM'], [], 'FalconMambaForCausalLM', ['FalconH1ForCausalLM'], {}):
        table.set_config('architectures', value)
    for key in ('hidden_size', 'state_size', 'conv_kernel', 'time_step_rank', 'num_hidden_layers'):
        for value in NO_SIZES:
            table.set_config(key, value)
    table.set_config('tie_word_embeddings', True, 'lm_head.weight')
    table.set_config('time_step_rank', 5, 'x_proj.weight')
    table.set_config('state_size', 17, 'tensor')
    header = dict(table.header)
    end = max(entry['data_offsets'][1] for name, entry in header.items() if name != '__metadata__')
    header['backbone.layers.0.mixer.dt_layernorm.weight'] = {'dtype': 'F32', 'shape': [4], 'data_offsets': [end, end + 16]}
    table.add('a norm with a weight', 'dt_layernorm', {'model.safetensors': pack(header, table.data + bytes(16))}, 'model')
    for case in table.cases:
        case.name = 'falcon: ' + case.name
    return table.cases


def original():
    table = Table()
    header = {name.replace('embeddings', 'embedding'): entry for name, entry in table.header.items()}
    table.config, table.weights = json.dumps(ORIGINAL).encode(), pack(header, table.data)
    for key in ('d_model', 'n_layer', 'vocab_size', 'pad_vocab_size_multiple'):
        for value in NO_SIZES:
            table.set_config(key, value)
    table.set_config('d_model', MISSING)
    table.set_config('n_layer', MISSING)
    table.set_config('vocab_size', MISSING)
    table.set_config('vocab_size', 2 ** 20, 'tensor')
    table.set_config('pad_vocab_size_multiple', 256, 'tensor')
    table.set_config('pad_vocab_size_multiple', 2 ** 20 - 1, 'tensor')
    table.set_config('n_layer', 2 ** 20, 'tensor')
    for key, values in {'rms_norm': (False, 1, 'true', None), 'tie_embeddings': (1, 'yes', None), 'd_intermediate': (64, -1, '0', None, 1.5),
                        'attn_layer_idx': ([0], {}, 7, 'none', None), 'attn_cfg': ({'num_heads': 2}, [], 7, None),
                        'eos_token_id': (-1, 128, '0', [0])}.items():
        for value in values:
            table.set_config(key, value)
    for value in ([], 'text', 7, None):
        table.set_config('ssm_cfg', value)
    for key, values in {'d_state': NO_SIZES, 'd_conv': NO_SIZES, 'expand': NO_SIZES + [2 ** 20], 'dt_rank': (0, -1, 'all', 2.0, None),
                        'conv_bias': (1, None), 'bias': (0, 'no'), 'layer': ('Mamba2', 7), 'headdim': (64,), 'chunk_size': (256,)}.items():
        for value in values:
            table.set_config('ssm_cfg', dict(ORIGINAL['ssm_cfg'], **{key: value}), 'ssm_cfg.' + key)
    for key, value in {'d_state': 16, 'd_conv': 5, 'expand': 1, 'dt_rank': 'auto', 'conv_bias': False, 'bias': True}.items():
        table.set_config('ssm_cfg', dict(ORIGINAL['ssm_cfg'], **{key: value}), 'tensor')
    for case in table.cases:
        case.name = 'original: ' + case.name
    return table.cases
