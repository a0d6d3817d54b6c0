"""MODEL OUT LAYER:ROW:FACTOR ...: a copy of a folder of one F16 safetensors file in which rows of in_proj's weights
are multiplied; row d_inner + i is the gate's channel i."""
import json
import os
import shutil
import struct
import sys

model, out, *changes = sys.argv[1:]
shutil.copytree(model, out)
path = os.path.join(out, "model.safetensors")
os.chmod(path, 0o644)
with open(path, "r+b") as file:
    (size,) = struct.unpack("<Q", file.read(8))
    header = json.loads(file.read(size))
    for change in changes:
        layer, row, factor = map(int, change.split(":"))
        tensor = header[f"backbone.layers.{layer}.mixer.in_proj.weight"]
        assert tensor["dtype"] == "F16", tensor
        columns = tensor["shape"][1]
        at = 8 + size + tensor["data_offsets"][0] + 2 * columns * row
        file.seek(at)
        values = struct.unpack(f"<{columns}e", file.read(2 * columns))
        file.seek(at)
        file.write(struct.pack(f"<{columns}e", *(factor * v for v in values)))
