"""Quamba's int8 Mamba-1 (W8A8) with random weights of a published shape, for docs/performance.md: its own modules,
extensions and Triton kernels, from a checkout with its submodule 3rdparty/cutlass. A step is the embedding, every
block and the head; it is measured launched from Python and as a CUDA graph. Needs PyTorch, Triton, einops and nvcc.

    python3 quamba.py CHECKOUT 130m 2.8b
"""
import argparse
import concurrent.futures
import math
import os
import sys
import types

import torch
import torch.utils.cpp_extension
import triton
import triton.language as tl

SHAPES = {"130m": (768, 24), "370m": (1024, 48), "790m": (1536, 48), "1.4b": (2048, 48), "2.8b": (2560, 64)}
VOCABULARY, STATES = 50280, 16
EXTENSIONS = [
    ("quant_linear_cuda", "linear", ["quant_linear.cpp", "quant_linear_fwd.cu"]),
    ("quant_sscan_cuda", "selective_scan", ["quant_sscan.cpp", "quant_sscan_fwd.cu"]),
    ("quant_hadamard", "hadamard", ["quant_hadamard.cpp", "quant_hadamard_fwd.cu"]),
    ("quant_causal_conv1d_cuda", "causal_conv1d",
     ["quant_causal_conv1d.cpp", "quant_causal_conv1d_fwd.cu", "quant_causal_conv1d_update.cu"]),
    ("quant_embedding_cuda", "embedding", ["quant_embedding.cpp", "quant_embedding_fwd.cu"]),
]
UNIT = 4 / 127  # the scale of values of deviation 1: 127 is four deviations


@triton.jit
def softplus(x):
    return tl.where(x <= 20.0, tl.math.log(tl.math.exp(x) + 1), x)


def build_extensions(checkout):
    """Compiled once, below TORCH_EXTENSIONS_DIR. The kernels of the linear layers are empty from compute capability
    8.9 on, so they become code for 8.0 that the driver translates."""
    capability = "%d%d" % torch.cuda.get_device_capability()
    undefined = ("HALF_OPERATORS", "HALF_CONVERSIONS", "HALF2_OPERATORS", "BFLOAT16_CONVERSIONS")

    def build(extension):
        name, folder, sources = extension
        folder = os.path.join(checkout, "csrc", folder)
        code = "arch=compute_80,code=compute_80" if name == "quant_linear_cuda" else \
            f"arch=compute_{capability},code=sm_{capability}"
        sys.modules[name] = torch.utils.cpp_extension.load(
            name, [os.path.join(folder, source) for source in sources], extra_cflags=["-O3", "-w"],
            extra_cuda_cflags=["-O3", "-w", "--use_fast_math", "--expt-relaxed-constexpr", "--expt-extended-lambda",
                               "-gencode", code] + [f"-U__CUDA_NO_{what}__" for what in undefined],
            extra_include_paths=[os.path.join(checkout, "csrc"), folder] +
            [os.path.join(checkout, "3rdparty/cutlass", path) for path in ("include", "tools/util/include")])

    with concurrent.futures.ThreadPoolExecutor() as pool:
        list(pool.map(build, EXTENSIONS))


def import_quamba(checkout):
    """Imports what Mamba-1 in int8 uses. The packages that the other models need are empty here, and the
    package's own __init__, which imports all of them, is not run."""
    def module(name, **values):
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__path__ = values.pop("path", [])
        sys.modules[name].__dict__.update(values)

    unused = type("Unused", (), {})
    for name in ("mamba_ssm", "mamba_ssm.ops", "mamba_ssm.ops.triton", "mamba_ssm.modules", "quamba2_conv1d_cuda"):
        module(name)
    module("mamba_ssm.ops.triton.layer_norm", RMSNorm=unused)
    module("mamba_ssm.ops.triton.layernorm_gated", RMSNorm=unused)
    module("mamba_ssm.ops.triton.softplus", softplus=softplus)
    module("mamba_ssm.ops.triton.selective_state_update", selective_state_update=None)
    module("mamba_ssm.ops.selective_scan_interface", selective_scan_fn=None)
    module("mamba_ssm.modules.mamba_simple", Mamba=unused)
    module("fast_hadamard_transform_cuda", fast_hadamard_transform=None, fast_hadamard_transform_12N=None,
           fast_hadamard_transform_40N=None)
    module("quamba", path=[os.path.join(checkout, "quamba")])
    from quamba.qEmbedding import W8O16Embedding
    from quamba.qLinearLayer import W8A8B8O8Linear, W8A8B16O16Linear
    from quamba.qMambaLayer import W8A8QMamba
    from quamba.qNorm import QRMSNorm
    return types.SimpleNamespace(W8O16Embedding=W8O16Embedding, W8A8B8O8Linear=W8A8B8O8Linear,
                                 W8A8B16O16Linear=W8A8B16O16Linear, W8A8QMamba=W8A8QMamba, QRMSNorm=QRMSNorm)


def integers(shape):
    return torch.randint(-127, 128, tuple(shape), dtype=torch.int8, device="cuda")


def scalar(value):
    return torch.tensor(value, dtype=torch.float32, device="cuda")


def fill_linear(layer, scale_out):
    """Weights so that inputs of deviation 1 give outputs of deviation 1; scale_out: of int8 outputs, else 1."""
    outputs, inputs = layer.weight.shape[1], layer.weight.shape[0]
    layer.weight = integers((outputs, inputs)).t()
    weight = 1 / (73 * math.sqrt(inputs))
    layer.a, layer.b = scalar(UNIT / scale_out).view(1, 1), scalar(weight).view(1, 1)
    layer.alpha = weight * UNIT / scale_out


def check_linear(quamba):
    """One row and many against exact sums: off by at most one unit, or a thousandth of the largest value. No value
    is beyond int8: there the kernel of one row wraps around."""
    for kind, scale_out, allowed in ((quamba.W8A8B8O8Linear, UNIT, 1.0), (quamba.W8A8B16O16Linear, 1.0, 1e-3)):
        layer = kind(768, 1536)
        fill_linear(layer, scale_out)
        for rows in (1, 32, 1024):
            x = torch.randint(-25, 26, (rows, 768), dtype=torch.int8, device="cuda")
            expected = (x.double() @ layer.weight.double()) * layer.alpha
            if scale_out == 1.0:
                allowed = 1e-3 * expected.abs().max().item()
            difference = (layer(x).double() - expected).abs().max().item()
            if not difference <= allowed:
                sys.exit(f"{kind.__name__}, {rows} rows: found a difference of {difference}, expected {allowed}")


class Model(torch.nn.Module):
    """The model as Quamba's own modules: norm(hidden, residual), mixer, for every block."""

    def __init__(self, quamba, shape):
        super().__init__()
        d, layers = SHAPES[shape]
        self.embedding = quamba.W8O16Embedding(VOCABULARY, d, device="cuda")
        self.embedding.weight.data = integers(self.embedding.weight.shape)
        self.embedding.scales = torch.full((VOCABULARY,), UNIT, dtype=torch.float16, device="cuda")
        self.blocks = [(self.norm(quamba, d), self.mixer(quamba, d, i)) for i in range(layers)]
        self.last_norm = self.norm(quamba, d)
        self.head = quamba.W8A8B16O16Linear(d, VOCABULARY)
        fill_linear(self.head, 1.0)

    @staticmethod
    def norm(quamba, d):
        norm = quamba.QRMSNorm(d, device="cuda")
        norm.weight = torch.ones(d, dtype=torch.float16, device="cuda")
        norm.output_scale = UNIT
        return norm

    @staticmethod
    def mixer(quamba, d, layer):
        mixer = quamba.W8A8QMamba(d, layer_idx=layer)
        for linear in (mixer.in_proj, mixer.x_proj, mixer.dt_proj):
            fill_linear(linear, UNIT)
        fill_linear(mixer.out_proj, 1.0)
        conv, scan = mixer.conv1d, mixer.selective_scan
        conv.weight, conv.bias = integers(conv.weight.shape), integers(conv.bias.shape)
        conv.weight_scale, conv.bias_scale, conv.input_scale, conv.output_scale = 0.5 / 127, 0.1 / 127, UNIT, UNIT
        logs = torch.log(torch.arange(1, STATES + 1, device="cuda"))
        scan.A_log = (logs / logs[-1] * 127).round().to(torch.int8).repeat(mixer.d_inner, 1)
        scan.A_scale = scalar(math.log(STATES) / 127)
        scan.D, scan.D_scale = torch.full_like(scan.D, 127), scalar(1 / 127)
        scan.dt_bias, scan.dt_bias_scale = torch.full_like(scan.dt_bias, -100), scalar(0.046)
        scan.u_scale = scan.dt_scale = scan.B_scale = scan.C_scale = scan.z_scale = scan.ssm_state_scale = scalar(UNIT)
        mixer.had.x_H_scale = UNIT
        return mixer

    def forward(self, ids, inference):
        hidden, residual = self.embedding(ids), None
        for norm, mixer in self.blocks:
            hidden, residual = norm(hidden, residual=residual, prenorm=True, residual_in_fp32=True)
            hidden = mixer(hidden, inference_params=inference)
        hidden = self.last_norm(hidden, residual=residual, prenorm=False, residual_in_fp32=True)
        return self.head(hidden[:, -1:])


def capture(step):
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def measure(what, run, repeat):
    times = []
    for i in range(repeat + 2):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        run()
        end.record()
        torch.cuda.synchronize()
        if i >= 2:
            times.append(begin.elapsed_time(end))
    print(f"{what:48s} {sorted(times)[repeat // 2]:8.3f} ms ({min(times):.3f} .. {max(times):.3f})", flush=True)


def kernels(step):
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        step()
        torch.cuda.synchronize()
    rows = sorted((e for e in profile.key_averages() if e.device_time_total), key=lambda e: -e.device_time_total)
    print(f"    {sum(e.count for e in rows)} kernels, together {sum(e.device_time_total for e in rows) / 1000:.3f} ms")
    for e in rows[:14]:
        print(f"    {e.count:5d} x {e.device_time_total / e.count:8.2f} us  {e.key[:90]}")


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout")
    parser.add_argument("shapes", nargs="*", help=", ".join(SHAPES) + "; none: build and check only")
    parser.add_argument("--kernels", action="store_true", help="every kernel's time, by PyTorch's profiler")
    options = parser.parse_args()
    build_extensions(os.path.abspath(options.checkout))
    quamba = import_quamba(options.checkout)
    print(torch.cuda.get_device_name(), "PyTorch", torch.__version__, "Triton", triton.__version__)
    check_linear(quamba)
    for shape in options.shapes:
        model = Model(quamba, shape)
        for what, batch, length in (("decode of 1", 1, 1), ("prefill of 1024", 1, 1024), ("decode of 32", 32, 1)):
            ids = torch.randint(0, VOCABULARY, (batch, length), device="cuda")
            inference = types.SimpleNamespace(seqlen_offset=0 if length > 1 else 1, key_value_memory_dict={})
            step = lambda: model(ids, inference)
            measure(f"{shape}, {what}, launched from Python", step, 7)
            if options.kernels:
                kernels(step)
            measure(f"{shape}, {what}, CUDA graph", capture(step), 15)


main()
