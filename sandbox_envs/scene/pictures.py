"""Compute the decoded size of a PNG without keeping the decoded data.

MuJoCo's decoder unpacks whatever a PNG packs before it compares that with the picture's size. A
few kilobytes can be packed gigabytes: as pixels, as a colour profile or as texts.
"""

import zlib
from collections.abc import Iterator
from pathlib import Path

SIGNATURE = b"\x89PNG\r\n\x1a\n"
BYTES = 3  # of a decoded pixel
_LARGEST_PIXEL = 8  # bytes of a pixel in a file: four channels of 16 bits
_BLOCK = 2**20  # bytes that are unpacked at a time


def is_png(head: bytes) -> bool:
    """Whether a file that begins with these bytes is a PNG."""
    return head.startswith(SIGNATURE[:4])


def decoded_pixels(path: Path, most: int) -> int:
    """The pixels of a PNG, with all else that it packs counted in the bytes of a pixel.

    Args:
        path: the file.
        most: the count may stop beyond this.

    Raises:
        ValueError: its pixels are more than its size says.
        OSError: it cannot be read.
    """
    data = path.read_bytes()
    width, height = (int.from_bytes(data[i : i + 4], "big") for i in (16, 20))
    count = width * height
    if count > most:
        return count
    room = 2 * height * (1 + _LARGEST_PIXEL * width) + _BLOCK // 16  # twice: it may be interlaced
    if _unpacked((part for kind, part in _chunks(data) if kind == b"IDAT"), room) > room:
        raise ValueError
    for kind, part in _chunks(data):
        if kind in _PACKED and count <= most:
            count += _unpacked([_PACKED[kind](part)], BYTES * (most - count)) // BYTES
    return count


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The kind and content of each chunk of a PNG, up to where it ends or is cut off."""
    at = len(SIGNATURE)
    while at + 8 <= len(data):
        size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        yield kind, data[at + 8 : at + 8 + size]
        if kind == b"IEND":
            return
        at += 12 + size


def _unpacked(parts: Iterator[bytes] | list[bytes], most: int) -> int:
    """The decompressed size, in bytes, of a zlib stream in parts; counting stops beyond `most`."""
    stream, count = zlib.decompressobj(), 0
    try:
        for part in parts:
            while part and count <= most:
                count += len(stream.decompress(part, _BLOCK))
                part = stream.unconsumed_tail
    except zlib.error:
        pass  # so MuJoCo will not unpack it either
    return count


def _after_name(part: bytes) -> bytes:
    """The compressed data of a zTXt or iCCP chunk: after a name, a zero and the method."""
    return part.partition(b"\0")[2][1:]


def _after_languages(part: bytes) -> bytes:
    """The text of an iTXt chunk: after a name, two flags, a language, and the translated name."""
    return part.partition(b"\0")[2][2:].split(b"\0", 2)[-1]


_PACKED = {b"zTXt": _after_name, b"iCCP": _after_name, b"iTXt": _after_languages}
