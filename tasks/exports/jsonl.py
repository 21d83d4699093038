"""JSON Lines: one object a row."""

from collections.abc import Iterable, Iterator

import msgspec

from tasks.exports.labels import Row

CONTENT_TYPE = "application/x-ndjson"
BLOCK_BYTES = 65_536  # sent row by row, a server is busy with sending


def write(rows: Iterable[Row]) -> Iterator[bytes]:
    """One line a row, in blocks of many."""
    encoder, block = msgspec.json.Encoder(), bytearray()
    for row in rows:
        encoder.encode_into(row, block, -1)
        block += b"\n"
        if len(block) >= BLOCK_BYTES:
            yield bytes(block)
            block.clear()
    if block:
        yield bytes(block)
