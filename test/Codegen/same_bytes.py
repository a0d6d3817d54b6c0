"""The promise of docs/numerics.md, on whole bundles: the reference executor, every compiler, every
instruction set, any number of threads and any split of the input give the same bytes.

Bundles are built with warnings as errors. Compilers and emulators that are absent are named and left out."""
import argparse
import filecmp
import os
import platform
import random
import shutil
import subprocess
import sys

RECIPES = ["quamba", "static", "per-token", "dynamic", "rotate-all", "w8", "w4a16", "w4a8", "float"]
STATES = {"w8": "i8", "dynamic": "i8"}  # of the scans, where not f32
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wstrict-prototypes", "-Wmissing-prototypes", "-Werror"]
TOKENS = 80  # more than one chunk of 64
OWN = {"model.c", "program.c", "golden.c"}  # what differs between the bundles of one compiler


def run(command, **options):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode:
        sys.exit(f"{' '.join(command)[:400]}\nexit code {done.returncode}\n{done.stdout}")
    return done.stdout


def compilers():
    """Name, compiler and what runs its programs, for each that is installed."""
    qemu = shutil.which("qemu-aarch64")
    cross = shutil.which("aarch64-linux-gnu-gcc")
    wanted = [("gcc", shutil.which("gcc"), []), ("clang", shutil.which("clang"), []),
              ("aarch64", qemu and cross, [qemu, "-L", "/usr/aarch64-linux-gnu"])]
    for name, compiler, runner in wanted:
        if compiler:
            yield name, compiler, runner
        else:
            print(f"skipped: {name} (no compiler, or no emulator for its programs)")


class Builds:
    """Programs of one compiler. The sources that all bundles share are compiled once."""

    def __init__(self, name, compiler, runner, work):
        self.name, self.compiler, self.runner = name, compiler, runner
        self.folder = os.path.join(work, "objects", name)
        os.makedirs(self.folder, exist_ok=True)
        self.shared = None

    def object(self, source, name, include):
        output = os.path.join(self.folder, name + ".o")
        run([self.compiler, "-std=c11", "-O2", "-pthread", *WARNINGS, "-I", include, "-c", source, "-o", output])
        return output

    def program(self, bundle, main=None):
        """Links the bundle with its own main.c, or with another main; gives the command that starts it."""
        recipe = os.path.basename(bundle)
        sources = sorted(file for file in os.listdir(bundle) if file.endswith(".c"))
        if self.shared is None:
            self.shared = {file: self.object(os.path.join(bundle, file), file, bundle)
                           for file in sources if file not in OWN}
        objects = [self.object(os.path.join(bundle, file), f"{recipe}.{file}", bundle) for file in OWN]
        objects += [path for file, path in self.shared.items() if not main or file != "main.c"]
        if main:
            objects.append(self.object(main, os.path.basename(main), bundle))
        output = os.path.join(bundle, f"run-{self.name}{'-library' if main else ''}")
        run([self.compiler, "-pthread", *objects, "-lm", "-o", output])
        return [*self.runner, output]


def same_sources(bundles):
    for bundle in bundles[1:]:
        for file in os.listdir(bundles[0]):
            if file.endswith((".c", ".h")) and file not in OWN:
                if not filecmp.cmp(os.path.join(bundles[0], file), os.path.join(bundle, file), shallow=False):
                    sys.exit(f"{file} differs between {bundles[0]} and {bundle}")


def same_folder(left, right):
    """Every file equal, byte for byte."""
    names = [sorted(os.path.relpath(os.path.join(root, file), folder)
                    for root, _, files in os.walk(folder) for file in files) for folder in (left, right)]
    if names[0] != names[1]:
        sys.exit(f"{left} and {right} have different files: {names}")
    for name in names[0]:
        if not filecmp.cmp(os.path.join(left, name), os.path.join(right, name), shallow=False):
            sys.exit(f"{name} differs between two compilations of the same model")


def variants(name):
    """Ways to run the same input: options, environment."""
    if name == "aarch64":
        yield "token by token", ["--threads=1", "--split=1"], {}
        for level in ("neon", "neon-dotprod"):
            yield level, ["--threads=1"], {"MAMBA_ISA": level}
        return
    yield "at once, 1 thread", ["--threads=1"], {}
    yield "at once, 2 threads", ["--threads=2"], {}
    yield "at once, 3 threads", ["--threads=3"], {}
    yield "token by token", ["--threads=1", "--split=1"], {}
    yield "seven at a time, 3 threads", ["--threads=3", "--split=7"], {}
    yield "portable kernels", ["--threads=1"], {"MAMBA_ISA": "portable"}
    if platform.machine() == "x86_64":
        for level in ("x86-64-v3", "avx-vnni", "x86-64-v4", "avx512-vnni", "amx-int8"):
            yield level, ["--threads=1"], {"MAMBA_ISA": level}


def compare(builds, bundle, ids, expected):
    command = builds.program(bundle)
    out = os.path.join(bundle, "logits.bin")
    for what, options, environment in variants(builds.name):
        done = subprocess.run([*command, "logits", "--ids", ids, "--out", out, *options], capture_output=True,
                              text=True, env={**os.environ, **environment})
        if done.returncode and "instruction set" in done.stderr:
            print(f"  skipped: this processor has no {what}")
            continue
        if done.returncode:
            sys.exit(f"{bundle}, {builds.name}, {what}: {done.stderr}")
        if not filecmp.cmp(out, expected, shallow=False):
            sys.exit(f"{bundle}, {builds.name}, {what}: the logits differ from the executor's")
        print(f"  {builds.name}, {what}: equal")
    if not builds.runner or os.path.basename(bundle) == RECIPES[0]:  # emulated it takes long
        print("  " + run([*command, "selftest", "--threads=2"]).splitlines()[-1])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--compile", required=True)
    parser.add_argument("--executor", required=True)
    parser.add_argument("--work", required=True)
    options = parser.parse_args()
    shutil.rmtree(options.work, ignore_errors=True)
    os.makedirs(options.work)

    def compile_model(recipe, output):
        # Scales of channels and 4-bit weights are handed over in files.
        statistics = os.path.join(options.work, f"{recipe}.json") if recipe in ("per-token", "rotate-all", "w4a16", "w4a8") else ""
        run([options.compile, "models/tiny", "-o", output, f"--recipe={recipe}", "--samples=2", "--length=64",
             f"--statistics={statistics}", "--quiet", *([f"--state={STATES[recipe]}"] if recipe in STATES else [])])
        return output

    bundles = [compile_model(recipe, os.path.join(options.work, recipe)) for recipe in RECIPES]
    again = compile_model(RECIPES[0], os.path.join(options.work, "again"))
    same_folder(bundles[0], again)
    same_sources(bundles)
    tools = [Builds(*compiler, options.work) for compiler in compilers()]
    if not tools:
        sys.exit("expected at least one C compiler")
    chooser = random.Random(20240607)
    for bundle in bundles:
        ids = ",".join(str(chooser.randrange(4096)) for _ in range(TOKENS))
        expected = os.path.join(bundle, "expected.bin")
        run([options.executor, os.path.join(bundle, "model.mlir"), ids, expected])
        print(os.path.basename(bundle))
        for builds in tools:
            compare(builds, bundle, ids, expected)
    library = os.path.join(os.path.dirname(os.path.abspath(__file__)), "library.c")
    for builds in tools:
        for bundle in bundles[:1] if builds.runner else bundles:
            run([*builds.program(bundle, library), os.path.join(bundle, "weights.bin")])
            print(f"library, {builds.name}, {os.path.basename(bundle)}: ok")
    # The command that the bundle's README gives, to the letter.
    readme = open(os.path.join(again, "README.md")).read()
    command = next(line.strip() for line in readme.splitlines() if line.startswith("    cc "))
    output = run(["sh", "-c", command + " && ./run selftest"], cwd=again) if shutil.which("cc") else "skipped: no cc"
    print(f"{command}: {output.splitlines()[-1]}")


main()
