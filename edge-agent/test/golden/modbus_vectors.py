"""Prints modbus-vectors.json: for every type and order, what a value looks like in registers.

The octets come from pymodbus (Debian: python3-pymodbus), which shares no line with the agent; orders that it does not
know (64 bits with halves apart from their words) and BCD come from Python's struct.
"""
import json
import math
import struct

from pymodbus.constants import Endian
from pymodbus.payload import BinaryPayloadBuilder

ORDERS = {
    "ABCD": (Endian.Big, Endian.Big),
    "CDAB": (Endian.Big, Endian.Little),
    "BADC": (Endian.Little, Endian.Big),
    "DCBA": (Endian.Little, Endian.Little),
}
HALVES = ["ABCDEFGH", "GHEFCDAB", "BADCFEHG", "HGFEDCBA", "EFGHABCD", "CDABGHEF", "FEHGBADC", "DCBAHGFE"]

NUMBERS = {
    "uint16": ("add_16bit_uint", [0, 1, 0x1234, 65535]),
    "int16": ("add_16bit_int", [0, -1, 0x1234, -32768, 32767]),
    "uint32": ("add_32bit_uint", [0, 1, 0x12345678, 4294967295]),
    "int32": ("add_32bit_int", [-1, 0x12345678, -2147483648, 2147483647]),
    "uint64": ("add_64bit_uint", [1, 0x0012345678ABCDEF, 9007199254740991]),
    "int64": ("add_64bit_int", [-1, 0x0012345678ABCDEF, -9007199254740991]),
    "float32": ("add_32bit_float", [0.0, 1.0, -2.5, 12.5, 3.402823e38, 0.1]),
    "float64": ("add_64bit_float", [0.0, 1.0, -2.5, 0.1, 1.7976931348623157e308, math.pi]),
}
STRUCT = {"uint64": ">Q", "int64": ">q", "float64": ">d"}
BCD = {"bcd16": (4, [0, 7, 1234, 9999]), "bcd32": (8, [0, 7, 12345678, 99999999])}
TEXTS = {
    "ascii": "O1234 FLANGE",
    "utf-8": "旋盤 1号",
    "shift_jis": "旋盤1号機ﾃｽﾄ",
}


def words(octets):
    return octets.hex()


def by_pymodbus(order, method, value):
    byte_order, word_order = ORDERS[order]
    builder = BinaryPayloadBuilder(byteorder=byte_order, wordorder=word_order)
    getattr(builder, method)(value)
    return b"".join(builder.build())


def on_wire(octets, order):
    return bytes(octets["ABCDEFGH".index(letter)] for letter in order)


def swapped(octets, order):
    pairs = [octets[at : at + 2] for at in range(0, len(octets), 2)]
    if order in ("CDAB", "DCBA"):
        pairs.reverse()
    if order in ("BADC", "DCBA"):
        pairs = [pair[::-1] for pair in pairs]
    return b"".join(pairs)


def vectors():
    for kind, (method, values) in NUMBERS.items():
        for order in ORDERS:
            for value in values:
                yield {"type": kind, "order": order, "octets": words(by_pymodbus(order, method, value)), "value": value}
        for order in HALVES if kind in STRUCT else []:
            for value in values:
                octets = on_wire(struct.pack(STRUCT[kind], value), order)
                yield {"type": kind, "order": order, "octets": words(octets), "value": value}
    for kind, (digits, values) in BCD.items():
        for order in ORDERS:
            for value in values:
                octets = swapped(bytes.fromhex(f"{value:0{digits}d}"), order)
                yield {"type": kind, "order": order, "octets": words(octets), "value": value}
    for encoding, text in TEXTS.items():
        for order in ("ABCD", "BADC"):
            octets = text.encode(encoding)
            padded = octets + b"\0" * (-len(octets) % 2 + 2)
            entry = {"type": "string", "order": order, "encoding": encoding}
            yield {**entry, "octets": words(swapped(padded, order)), "value": text}


print("[\n  " + ",\n  ".join(json.dumps(vector, ensure_ascii=False) for vector in vectors()) + "\n]")
