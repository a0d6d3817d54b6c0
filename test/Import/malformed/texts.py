"""Damages of text formats, which several kinds of files share."""


def bad_json(good):
    """(name, text) of what is no JSON object, made from the bytes of one."""
    inside = good.strip()[1:-1]
    deep = 100000
    return [
        ('empty', b''),
        ('spaces', b'  \n'),
        ('half', good[:len(good) // 2]),
        ('without its end', good.rstrip()[:-1]),
        ('behind a byte order mark', b'\xef\xbb\xbf' + good),
        ('in UTF-16', good.decode().encode('utf-16')),
        ('invalid UTF-8', b'{"\xff\xfe": 1, ' + inside + b'}'),
        ('overlong UTF-8', b'{"\xc0\xaf": 1, ' + inside + b'}'),
        ('half a surrogate', b'{"\\ud800": 1, ' + inside + b'}'),
        ('a NUL', b'{"a\\u0000b": 1, ' + inside + b'}'),
        ('a zero byte', good[:5] + b'\0' + good[5:]),
        ('a control character', b'{"a\x01b": 1, ' + inside + b'}'),
        ('a comma at the end', b'{' + inside + b',}'),
        ('two objects', good + good),
        ('text behind it', good + b'end'),
        ('single quotes', good.replace(b'"', b"'")),
        ('a comment', b'/* comment */' + good),
        ('names without quotes', b'{a: 1, ' + inside + b'}'),
        ('a key twice', b'{"a": 1, "a": 2, ' + inside + b'}'),
        ('a key twice inside', b'{"a": {"b": 1, "b": 2}, ' + inside + b'}'),
        ('100,000 arrays in each other', b'{"a": ' + b'[' * deep + b']' * deep + b'}'),
        ('100,000 arrays begun', b'{"a": ' + b'[' * deep),
        ('100,000 objects in each other', b'{"a":' * deep + b'1' + b'}' * deep),
        ('an array', b'[' + good + b']'),
        ('a text', b'"text"'),
        ('null', b'null'),
        ('a number', b'1'),
        ('NaN', b'{"a": NaN, ' + inside + b'}'),
        ('Infinity', b'{"a": -Infinity, ' + inside + b'}'),
        ('1e400', b'{"a": 1e400, ' + inside + b'}'),
        ('an integer of 30 digits', b'{"a": ' + b'9' * 30 + b', ' + inside + b'}'),
        ('a number with a plus', b'{"a": +1, ' + inside + b'}'),
        ('a hexadecimal number', b'{"a": 0x10, ' + inside + b'}'),
        ('an octal number', b'{"a": 010, ' + inside + b'}'),
        ('a fraction without digits', b'{"a": 1., ' + inside + b'}'),
        ('binary', bytes(range(256)) * 16),
    ]


def byte_letters():
    """The letters that byte-level tokenizers write bytes in, by byte."""
    printed = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printed]
    letters = {byte: chr(byte) for byte in printed}
    letters.update({byte: chr(256 + i) for i, byte in enumerate(others)})
    return [letters[byte] for byte in range(256)]
