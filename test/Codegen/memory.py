"""The compiler holds a weight at a time, not the model: twenty more layers, 150 MB of weights, may take a third of that."""
import argparse
import os
import shutil
import subprocess
import sys


def compile_layers(options, layers):
    """Compiles a random model; gives the peak resident memory and the bytes of weights."""
    output = os.path.join(options.work, str(layers))
    process = subprocess.Popen([options.compile, "--synthetic=130m", f"--layers={layers}", "--recipe=float",
                                "-o", output, "--quiet"])
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"mamba-compile failed for {layers} layers")
    unit = 1 if sys.platform == "darwin" else 1024
    return usage.ru_maxrss * unit, os.path.getsize(os.path.join(output, "weights.bin"))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--compile", required=True)
    parser.add_argument("--work", required=True)
    options = parser.parse_args()
    shutil.rmtree(options.work, ignore_errors=True)
    os.makedirs(options.work)
    small, large = compile_layers(options, 2), compile_layers(options, 22)
    memory, weights = large[0] - small[0], large[1] - small[1]
    print(f"2 layers {small[0] / 1e6:.0f} MB, 22 layers {large[0] / 1e6:.0f} MB: {memory / 1e6:.0f} MB more "
          f"for {weights / 1e6:.0f} MB of weights")
    shutil.rmtree(options.work)
    if memory > weights / 3:
        sys.exit("expected memory that does not grow with the model")


main()
