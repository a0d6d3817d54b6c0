"""Presses the tabulator in a real shell, in a terminal, and looks at what the command line has become.

usage: complete.py SHELL PREFIX WORK: bash, zsh or fish; where the tools are installed; an empty folder"""
import os
import pty
import re
import select
import sys
import time

shell, prefix, work = sys.argv[1:]
share = prefix + "/share"
START = {
    "bash": (["bash", "--norc", "--noprofile"],
             f"bind 'set show-all-if-ambiguous on'; for f in {share}/bash-completion/completions/*; do . $f; done"),
    "zsh": (["zsh", "-f"], f"fpath=({share}/zsh/site-functions $fpath); autoload -U compinit; compinit -u -D; bindkey -e"),
    "fish": (["fish", "--no-config"], f"for f in {share}/fish/vendor_completions.d/*; source $f; end"),
}[shell]

# What is typed before the tabulator, and the arguments that the line has then.
CASES = [
    ("mamba-compile --recipe=smoothq", ["--recipe=smoothquant"]),
    ("mamba-compile --recipe smoothq", ["--recipe", "smoothquant"]),
    ("mamba-compile --target=cuda-sm86", ["--target=cuda-sm86"]),
    ("mamba-compile model --head=to", ["model", "--head=token"]),
    ("mamba-compile model --state=i", ["model", "--state=i8"]),
    ("mamba-compile --synthetic=2", ["--synthetic=2.8b"]),
    ("mamba-compile --calibration=a-te", ["--calibration=a-text"]),
    ("mamba-compile model -o a-fol", ["model", "-o", "a-folder"]),
    ("mamba-compile a-te", ["a-text"]),
    ("mamba-compile --keep", ["--keep-ir="]),
    ("mamba-opt model --mamba-fuse", ["model", "--mamba-fuse-kernels"]),
    ("mamba-opt model --mamba-plan=la", ["model", "--mamba-plan=layout="]),
    ("mamba-opt model --mamba-plan=layout=pa", ["model", "--mamba-plan=layout=packed"]),
    ("mamba-opt model --mamba-quamba=samp", ["model", "--mamba-quamba=samples="]),
    ("mamba-opt model --mlir-print-ir-after=mamba-mat", ["model", "--mlir-print-ir-after=mamba-materialize"]),
    ("mamba-opt model --pass-pipeline='builtin.module(cse,mamba-fuse",
     ["model", "--pass-pipeline=builtin.module(cse,mamba-fuse-kernels"]),
    ("mamba-opt model --mamba-plan='target=cpu layout=pa", ["model", "--mamba-plan=target=cpu layout=packed"]),
    ("mamba-run perp", ["perplexity"]),
    ("mamba-run view --ou", ["view", "--out="]),
    ("mamba-run view --tok", ["view", "--tok"]),  # view has no such option
]
# What is listed where there are several.
LISTS = [
    ("mamba-compile --recipe=", ["per-token", "w4a8", "none"]),
    ("mamba-compile --target=", ["cpu", "orin-agx", "h200"]),
    ("mamba-run ", ["generate", "view", "merge-statistics"]),
]


class Terminal:
    def __init__(self):
        os.environ.update(PATH=f"{prefix}/bin:{os.environ['PATH']}", TERM="xterm", PS1="$ ", HOME=work, LC_ALL="C.UTF-8",
                          ASAN_OPTIONS="detect_leaks=0:detect_odr_violation=0")
        os.chdir(work)
        pid, self.file = pty.fork()
        if pid == 0:
            os.execvp(START[0][0], START[0])
        self.send(START[1] + "; echo rea''dy\n")
        self.read("ready")

    def send(self, text):
        os.write(self.file, text.encode())

    def read(self, regex, seconds=60):
        """All output until the regular expression is in it."""
        text, end = "", time.time() + seconds
        while time.time() < end:
            if select.select([self.file], [], [], 0.1)[0]:
                text += os.read(self.file, 1 << 16).decode(errors="replace")
                if re.search(regex, text, re.S):
                    return text
        sys.exit(f"{shell}: expected {regex!r}, found {text!r}")


os.makedirs(work + "/a-folder", exist_ok=True)
open(work + "/a-text", "w").close()
terminal = Terminal()
for typed, expected in CASES:
    # To the line's beginning, to make it one that writes its own words.
    terminal.send(typed + "\t\x01printf '%s\\n' \x05 >line; echo en''d\n")
    terminal.read("end")
    with open("line") as file:
        found = [word.rstrip("/") for word in file.read().split("\n")[1:-1]]  # zsh takes the slash back
    if found != expected:
        sys.exit(f"{shell}: {typed}<TAB>: expected {expected}, found {found}")
for typed, expected in LISTS:
    terminal = Terminal()
    terminal.send(typed + "\t")
    terminal.read("".join(f"(?=.*{word})" for word in expected))
