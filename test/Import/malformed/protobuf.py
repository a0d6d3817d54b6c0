"""Messages of protocol buffers as lists of [field, value]: an integer, bytes, or a message in turn; Wire for what is to be
written otherwise."""


class Wire(bytes):
    """Bytes that stand for a whole field, key and all."""


def varint(value):
    value &= 2 ** 64 - 1
    out = b''
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def decode(data):
    fields, at = [], 0

    def take():
        nonlocal at
        value = shift = 0
        while True:
            value |= (data[at] & 127) << shift
            shift, at = shift + 7, at + 1
            if data[at - 1] < 128:
                return value

    while at < len(data):
        begin, key = at, take()
        if key & 7 == 0:
            fields.append([key >> 3, take()])
        elif key & 7 == 2:
            size = take()
            fields.append([key >> 3, data[at:at + size]])
            at += size
        else:
            at += 4 if key & 7 == 5 else 8
            fields.append([key >> 3, Wire(data[begin:at])])
    return fields


def encode(fields):
    out = []
    for number, value in fields:
        if isinstance(value, Wire):
            out.append(value)
        elif isinstance(value, int):
            out.append(varint(number << 3) + varint(value))
        else:
            data = encode(value) if isinstance(value, list) else value.encode() if isinstance(value, str) else value
            out.append(varint(number << 3 | 2) + varint(len(data)) + data)
    return b''.join(out)


def get(message, number, index=0):
    return [value for field, value in message if field == number][index]


def put(message, number, *values):
    """Replaces all fields of that number by these."""
    message[:] = [entry for entry in message if entry[0] != number] + [[number, value] for value in values]
