"""Damaged and wrong inputs of a built bundle: one message on stderr, and exit code 1 (2 for bad usage)."""
import json
import os
import subprocess
import sys

bundle = sys.argv[1]
program = next(path for path in (os.path.join(bundle, f"run-{name}") for name in ("gcc", "clang"))
               if os.path.exists(path))
weights = open(os.path.join(bundle, "weights.bin"), "rb").read()
tokenizer = open(os.path.join(bundle, "tokenizer.bin"), "rb").read()
failures = 0


def flip(data, at):
    return data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1:]


def file(data):
    path = os.path.join(bundle, "bad.bin")
    with open(path, "wb") as out:
        out.write(data)
    return path


def expect(code, message, *arguments, ids="1,2,3"):
    global failures
    command = [os.path.abspath(program), *[argument.replace("IDS", ids) for argument in arguments]]
    done = subprocess.run(command, capture_output=True, cwd=bundle, timeout=120)
    text = done.stderr.decode(errors="replace")
    if done.returncode != code or message not in text or (code and len(text.strip().splitlines()) != 1):
        print(f"{' '.join(command)}\n  expected exit code {code} and '{message}', found {done.returncode} and '{text}'")
        failures += 1


def logits(*more, ids="1,2,3"):
    return ["logits", "--ids", ids, "--out", "bad.logits", *more]


# weights.bin
expect(1, "No such file", *logits("--weights", "missing.bin"))
expect(1, "regular file", *logits("--weights", "."))
expect(1, "found 0 bytes", *logits("--weights", file(b"")[len(bundle) + 1:]))
for length in (1, 63):
    file(weights[:length])
    expect(1, f"found {length} bytes", *logits("--weights", "bad.bin"))
for length in (64, 65, len(weights) // 2, len(weights) - 1):
    file(weights[:length])
    expect(1, f"found {length}", *logits("--weights", "bad.bin"))
file(weights + b"\0")
expect(1, "expected a file of", *logits("--weights", "bad.bin"))
for at in range(64):
    file(flip(weights, at))
    message = ("not a weights file" if at < 8 else "version" if at < 16 else "another model" if at < 32 else
               "damaged: expected zeros")
    expect(1, message, *logits("--weights", "bad.bin"))
for at in (64, 65, 1000, len(weights) // 2, len(weights) - 1):
    file(flip(weights, at))
    expect(1, "damaged", *logits("--weights", "bad.bin"))
expect(1, "not a weights file", *logits("--weights", "tokenizer.bin"))

# tokenizer.bin
expect(1, "No such file", "generate", "x", "--tokenizer", "missing.bin")
expect(1, "corrupt", "generate", "x", "--tokenizer", "weights.bin")
for length in (0, 7, 64, len(tokenizer) // 2, len(tokenizer) - 1):
    file(tokenizer[:length])
    expect(1, "corrupt", "generate", "x", "--tokenizer", "bad.bin")
for at in (0, 8, 20, 300, len(tokenizer) // 2, len(tokenizer) - 1):
    file(flip(tokenizer, at))
    expect(1, "corrupt", "generate", "x", "--tokenizer", "bad.bin")

# Token ids
expect(1, "found 4096", *logits(ids="1,4096"))
expect(1, "at least one id", *logits(ids=","))
expect(1, "No such file", *logits(ids="-1"))
expect(1, "expected an id", *logits(ids="99999999999999999999"))
file(b"1 2 x 3")
expect(1, "token 2: expected an id, found 'x'", *logits(ids="bad.bin"))
file(b"1 -2")
expect(1, "token 1: expected an id, found '-2'", *logits(ids="bad.bin"))
file(b"1\0 2")
expect(1, "a text of ids", *logits(ids="bad.bin"))
expect(1, "No such file", "logits", "--ids", "1", "--out", "no/such/folder")
expect(1, "needs --ids and --out", "logits")

# Texts
expect(1, "No such file", "perplexity", "missing.txt")
file(b"too short")
expect(1, "at least one window", "perplexity", "bad.bin")

# Usage
expect(2, "unknown command 'dance'", "dance")
expect(2, "generate takes PROMPT, found 0", "generate")
expect(2, "generate takes PROMPT, found 2", "generate", "a", "b")
expect(2, "no option --ids", "generate", "x", "--ids=1")
expect(2, "--tokens needs N", "generate", "x", "--tokens")
for bad in ("x", "", "-1", "1.5", "99999999999999999999"):
    expect(2, "--tokens takes an integer", "generate", "x", f"--tokens={bad}")
for bad in ("nan", "2", "-0.5", "1e"):
    expect(2, "--top-p takes a number", "generate", "x", f"--top-p={bad}")
expect(1, "threads", *logits("--threads=17"))
expect(2, "--json takes no value, found '1'", "bench", "--json=1")
expect(2, "--repeat takes an integer", "bench", "--repeat=0")
for bad in ("", "x", "0", "1,", ",1", "1 2", "1;2", "-1", "99999999999", ",".join(["1"] * 17)):
    expect(1, "--batch: expected at most 16 counts", "bench", f"--batch={bad}")
expect(1, "expected 1 to 64 sequences, found 65", "bench", "--batch=65", "--decode=1", "--prefill=0")
expect(1, "expected 1 to 16 threads", "bench", "--threads=17")
expect(0, "", "--help")

# What is well formed still works, wherever the options stand.
expect(0, "", "generate", "--tokens", "2", "--", "--help")
expect(0, "", *logits("--split=2"))

# bench: what is measured is what was asked for.
done = subprocess.run([os.path.abspath(program), "bench", "--json", "--decode=3", "--prefill=70", "--batch=2,1",
                       "--threads=1,2", "--repeat=3"], capture_output=True, cwd=bundle, timeout=300)
found = json.loads(done.stdout)
lines = [(line["what"], line["threads"], line["batch"], line["tokens"]) for line in found["results"]]
wanted = [(what, threads, batch, tokens) for threads in (1, 2) for batch in (2, 1)
          for what, tokens in (("decode", 3), ("prefill", 70))]
if lines != wanted or [line["threads"] for line in found["read_bandwidth"]] != [1, 2]:
    print(f"bench: expected {wanted}, found {found}")
    failures += 1
for line in found["results"]:
    if not 0 < line["slowest"] <= line["tokens_per_second"] <= line["fastest"]:
        print(f"bench: expected slowest <= median <= fastest, found {line}")
        failures += 1
    if line["what"] == "decode":
        moved = found["step_bytes"] / line["batch"] + 2 * found["state_bytes"]
        if abs(line["bytes_per_token"] - moved) > 1:
            print(f"bench: expected {moved} bytes per token, found {line}")
            failures += 1
# A step reads every weight once (less what fills them up to 64 bytes), and one row of the embedding, which is the
# head as well.
if not 0.9 * found["weights_bytes"] < found["step_bytes"] <= found["weights_bytes"] + 2 * 256:
    print(f"bench: expected a step to read all weights, found {found}")
    failures += 1
sys.exit(f"{failures} failures" if failures else 0)
