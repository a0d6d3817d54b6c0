"""The compiler holds a weight at a time, not the model, also where it calibrates: twenty more layers may take a third
of their weights, and the statistics of what they compute."""
import argparse
import os
import shutil
import subprocess
import sys


def compile_layers(options, layers, recipe):
    """Compiles a random model; gives the peak resident memory and the bytes of weights."""
    output = os.path.join(options.work, str(layers))
    process = subprocess.Popen([options.compile, "--synthetic=130m", f"--layers={layers}", f"--recipe={recipe}",
                                "-o", output, "--quiet"])
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"mamba-compile failed for {layers} layers")
    unit = 1 if sys.platform == "darwin" else 1024
    return usage.ru_maxrss * unit, os.path.getsize(os.path.join(output, "weights.bin"))


def check(options, recipe, layer_statistics):
    """The recipe's memory for 2 and for 22 layers; layer_statistics: bytes of a layer's."""
    small, large = compile_layers(options, 2, recipe), compile_layers(options, 22, recipe)
    memory, weights = large[0] - small[0], large[1] - small[1]
    print(f"{recipe}: 2 layers {small[0] / 1e6:.0f} MB, 22 layers {large[0] / 1e6:.0f} MB: {memory / 1e6:.0f} MB more "
          f"for {weights / 1e6:.0f} MB of weights")
    if memory > weights / 3 + 20 * layer_statistics:
        sys.exit("expected memory that does not grow with the model")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--compile", required=True)
    parser.add_argument("--work", required=True)
    options = parser.parse_args()
    shutil.rmtree(options.work, ignore_errors=True)
    os.makedirs(options.work)
    check(options, "float", 0)
    check(options, "per-token", 2e6)
    shutil.rmtree(options.work)


main()
