"""MAMBA-RUN BUNDLE: a bundle's program evaluates to what its IR does in the executor, to the last digit; and refuses
what is no line of ids."""
import json
import os
import re
import subprocess
import sys
import tempfile

tool, bundle = sys.argv[1:]
program = next(path for path in (os.path.join(bundle, f"run-{name}") for name in ("gcc", "clang"))
               if os.path.exists(path))
run = os.path.join(bundle, "run")
if os.path.lexists(run):
    os.remove(run)
os.symlink(os.path.basename(program), run)
words = os.path.join(bundle, "words.jsonl")
with open(words, "w") as file:
    for text in ("The old man looked out over the sea", "It was the best of times", "He said that he was not there"):
        print(json.dumps({"text": text}), file=file)


def evaluate(model):
    done = subprocess.run([tool, "evaluate", model, "--against=models/tiny", "--data=docs/numerics.md", "--window=100",
                           "--limit-tokens=1000", f"--lambada={words}", "--json"], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    result = json.loads(done.stdout)
    ratios = {v["name"]: v["snr_db"] for v in result["signal_to_noise"]["values"]}
    return {key: result[key] for key in ("text", "lambada", "against_lambada")} | {
        "layers": {name: snr for name, snr in ratios.items() if re.fullmatch(r"layers\.[0-9]+", name)}}


executor, itself = evaluate(os.path.join(bundle, "model.mlir")), evaluate(bundle)
if executor != itself or executor["text"]["windows"] != 10 or not 0 < executor["text"]["kl_divergence"] < 1:
    sys.exit(f"expected the same evaluation of the program and of its IR, found {itself} and {executor}")
layers = {f"layers.{i}" for i in range(12)}
if set(itself["layers"]) != layers or not all(5 < ratio < 60 for ratio in itself["layers"].values()):
    sys.exit(f"expected the ratio of signal to noise behind each of 12 layers, found {itself['layers']}")

# A program that does not show its layers, as on a GPU: all else is evaluated.
with tempfile.TemporaryDirectory() as folder:
    for name in os.listdir(bundle):
        if name != "run":
            os.symlink(os.path.abspath(os.path.join(bundle, name)), os.path.join(folder, name))
    with open(os.path.join(folder, "run"), "w") as file:
        file.write(f"""#!{sys.executable}
import os, subprocess, sys
inner = subprocess.Popen([{os.path.abspath(program)!r}] + sys.argv[1:], stdin=subprocess.PIPE)
for line in sys.stdin.buffer:
    if line.startswith(b"+"):
        os.write(1, (-1).to_bytes(4, sys.byteorder, signed=True))
    else:
        inner.stdin.write(line)
        inner.stdin.flush()
inner.stdin.close()
sys.exit(inner.wait())
""")
    os.chmod(os.path.join(folder, "run"), 0o755)
    done = subprocess.run([tool, "evaluate", folder, "--against=models/tiny", "--data=docs/numerics.md", "--window=50",
                           "--limit-tokens=100"], capture_output=True, text=True)
    if done.returncode or "does not show its layers" not in done.stderr or "KL divergence" not in done.stdout or (
            "SNR" in done.stdout):
        sys.exit(f"expected an evaluation without layers, found {done.stdout} and {done.stderr}")

for line, message in (("1 x", "token 1 of a line: expected an id, found 'x'"),
                      ("4096", "found 4096"), ("- 1 2 -3", "token 2 of a line")):
    done = subprocess.run([program, "stream"], input=f"\n1\n{line}\n".encode(), capture_output=True)
    if done.returncode != 1 or message not in done.stderr.decode() or len(done.stdout) != 4 + 4 * 4096:
        sys.exit(f"{line}: expected exit code 1, one answer and '{message}', found {done.returncode}, "
                 f"{len(done.stdout)} bytes and '{done.stderr.decode()}'")
silent = subprocess.run([program, "stream"], input=b"- 5 6\n7\n\n5 6 7\n", capture_output=True, check=True).stdout
if silent[4:4 + 4 * 4096] != silent[-4 * 4096:]:
    sys.exit("expected the same logits for ids in one line and in two")
print("ok")
