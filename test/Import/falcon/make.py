#!/usr/bin/env python3
"""Makes the files of this folder: a random FalconMamba, and what transformers computes with it in f32, in the layout of
models/tiny/golden.safetensors. Needs torch, transformers and safetensors.

  make.py .
"""
import sys

import torch
from safetensors.torch import save_file
from transformers import FalconMambaConfig, FalconMambaForCausalLM

out = sys.argv[1]
torch.manual_seed(1)
config = FalconMambaConfig(vocab_size=256, hidden_size=32, state_size=16, num_hidden_layers=2, time_step_rank=4,
                           mixer_rms_eps=1e-3, tie_word_embeddings=False, eos_token_id=0)
model = FalconMambaForCausalLM(config)
with torch.no_grad():
    for name, parameter in model.named_parameters():
        fan_in = parameter.shape[-1]
        scale = {'A_log': 0, 'dt_proj.bias': 0, 'embeddings.weight': 0.5, 'norm.weight': 0.1, 'norm_f.weight': 0.1}.get(
            next((k for k in ('A_log', 'dt_proj.bias', 'embeddings.weight', 'norm.weight', 'norm_f.weight')
                  if name.endswith(k)), None), fan_in ** -0.5)
        if scale == 0.1 or scale == 0:
            parameter += scale * torch.randn_like(parameter)
        else:
            parameter.copy_(scale * torch.randn_like(parameter))
model = model.to(torch.bfloat16)
model.save_pretrained(out + '/model')
model = model.float().eval()

seen = {}
backbone = model.backbone
for name, module in [('embedding', backbone.embeddings), ('final', backbone.norm_f), *enumerate(backbone.layers)]:
    module.register_forward_hook(lambda _, __, result, name=name: seen.update({name: result[0].clone()}))

ids = torch.randint(1, 256, (2, 24)).int()
with torch.no_grad():
    logits = model(ids, use_cache=False).logits
    greedy = ids[:1, :8].long()
    for _ in range(16):
        greedy = torch.cat([greedy, model(greedy, use_cache=False).logits[:, -1:].argmax(-1)], 1)
    last = model(ids[:1], use_cache=False).logits[0, -1]
layers = [seen[i].reshape(24, 32) for i in range(2)]
save_file({
    'input_ids': ids, 'logits': logits, 'hidden_input_ids': ids[:1].clone(), 'hidden_embedding': seen['embedding'],
    'hidden_states': torch.stack(layers), 'hidden_final_norm': seen['final'], 'hidden_logits_last': last.clone(),
    'greedy_prompt_ids': ids[:1, :8].clone(), 'greedy_ids': greedy[:, 8:].int().clone(),
}, out + '/model/golden.safetensors')
