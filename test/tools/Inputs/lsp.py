"""Speaks the language server protocol with a server: opens a document with a mistake, then one without.

usage: lsp.py SERVER"""
import json
import subprocess
import sys

BAD = """mamba.checkpoint @ckpt "m" hash "xxh3:0"
%w = mamba.weight @ckpt::@w : tensor<4x2xf32>
%s = mamba.absmax_scal %w : tensor<4x2xf32> -> tensor<4x1xf32>
"""

server = subprocess.Popen([sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def send(method, params, **more):
    body = json.dumps({"jsonrpc": "2.0", "method": method, "params": params, **more}).encode()
    server.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
    server.stdin.flush()


def receive(wanted):
    """The next message for which wanted(message) holds."""
    while True:
        length = None
        while (line := server.stdout.readline()) not in (b"\r\n", b""):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        message = json.loads(server.stdout.read(length))
        if wanted(message):
            return message


def diagnostics_of(text):
    uri = "test:///bad.mlir"
    send("textDocument/didOpen",
         {"textDocument": {"uri": uri, "languageId": "mlir", "version": 1, "text": text}})
    message = receive(lambda m: m.get("method") == "textDocument/publishDiagnostics")
    return message["params"]["diagnostics"]


send("initialize", {"processId": None, "rootUri": None, "capabilities": {}}, id=0)
capabilities = receive(lambda m: m.get("id") == 0)["result"]["capabilities"]
assert capabilities["hoverProvider"], capabilities
send("initialized", {})

found = diagnostics_of(BAD)
assert len(found) == 1, found
assert "'mamba.absmax_scal' does not exist" in found[0]["message"], found
assert found[0]["range"]["start"]["line"] == 2, found

good = BAD.replace("absmax_scal ", "absmax_scale ")
assert diagnostics_of(good) == []
send("textDocument/hover",
     {"textDocument": {"uri": "test:///bad.mlir"}, "position": {"line": 2, "character": 8}}, id=1)
assert "tensor<4x1xf32>" in json.dumps(receive(lambda m: m.get("id") == 1)["result"])

send("shutdown", None, id=2)
receive(lambda m: m.get("id") == 2)
send("exit", None)
sys.exit(server.wait(timeout=10))
