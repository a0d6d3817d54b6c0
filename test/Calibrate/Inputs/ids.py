"""FILE FIRST LAST LENGTH: token ids as .safetensors, rows FIRST to LAST - 1 of one table of LENGTH columns."""
import json
import struct
import sys

path, first, last, length = sys.argv[1], *map(int, sys.argv[2:])
ids = [row * length + i for row in range(first, last) for i in range(length)]
header = json.dumps({"input_ids": {"dtype": "I32", "shape": [last - first, length],
                                   "data_offsets": [0, 4 * len(ids)]}}).encode()
header += b" " * (-len(header) % 8)
with open(path, "wb") as file:
    file.write(struct.pack("<Q", len(header)) + header + struct.pack("<%di" % len(ids), *ids))
