"""A Mamba model of a published shape with random weights, as a GGUF file of 16-bit floats for llama.cpp:
the counterpart of `mamba-compile --synthetic` for docs/performance.md. Needs the Python packages gguf and numpy.

    python3 llama_gguf.py 130m 130m-f16.gguf && llama-quantize 130m-f16.gguf 130m-q8_0.gguf q8_0
"""
import argparse

import gguf
import numpy as np

SHAPES = {"130m": (768, 24), "370m": (1024, 48), "790m": (1536, 48), "1.4b": (2048, 48), "2.8b": (2560, 64)}
VOCABULARY, STATES, WIDTH = 50280, 16, 4


def write(shape, path):
    d, layers = SHAPES[shape]
    inner, rank = 2 * d, (d + 15) // 16
    random = np.random.default_rng(1)
    writer = gguf.GGUFWriter(path, "mamba")
    writer.add_context_length(1 << 20)
    writer.add_embedding_length(d)
    writer.add_feed_forward_length(0)
    writer.add_head_count(0)
    writer.add_block_count(layers)
    writer.add_ssm_conv_kernel(WIDTH)
    writer.add_ssm_inner_size(inner)
    writer.add_ssm_state_size(STATES)
    writer.add_ssm_time_step_rank(rank)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    # bench reads no text, but the loader wants a vocabulary and a merge.
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("olmo")
    writer.add_token_list([f"<{i}>" for i in range(VOCABULARY)])
    writer.add_token_types([gguf.TokenType.NORMAL] * VOCABULARY)
    writer.add_token_merges(["< 0"])
    writer.add_eos_token_id(0)

    def matrix(name, rows, columns):
        scale = np.float32(columns ** -0.5)
        writer.add_tensor(name, (random.standard_normal((rows, columns), np.float32) * scale).astype(np.float16))

    def vector(name, values):
        writer.add_tensor(name, values.astype(np.float32))

    matrix("token_embd.weight", VOCABULARY, d)
    vector("output_norm.weight", np.ones(d))
    for layer in range(layers):
        block = f"blk.{layer}."
        vector(block + "attn_norm.weight", np.ones(d))
        matrix(block + "ssm_in.weight", 2 * inner, d)
        vector(block + "ssm_conv1d.weight", random.uniform(-0.5, 0.5, (inner, WIDTH)))
        vector(block + "ssm_conv1d.bias", random.uniform(-0.5, 0.5, inner))
        matrix(block + "ssm_x.weight", rank + 2 * STATES, inner)
        matrix(block + "ssm_dt.weight", inner, rank)
        vector(block + "ssm_dt.bias", random.uniform(-6.9, -2.3, inner))
        vector(block + "ssm_a", -np.tile(np.arange(1, STATES + 1), (inner, 1)))
        vector(block + "ssm_d", np.ones(inner))
        matrix(block + "ssm_out.weight", d, inner)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("shape", choices=SHAPES)
parser.add_argument("output")
options = parser.parse_args()
write(options.shape, options.output)
