"""Rows of fixed width to arrays and back, by binary COPY: no Python object for any of them.

Layout: PostgreSQL manual, "COPY", Binary Format. Every column is of fixed width and never null.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from django.db import connection

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
REAL = 700  # type of an array's elements, by pg_type
SEND = {"i8": "int8send", "i4": "int4send", "i2": "int2send", "f4": "float4send"}
PACKED = 16  # bits of a key that share a message


def read(query: str, values: Mapping[str, Any], columns: Mapping[str, str]) -> np.ndarray:
    """What a query returns, as a structured array, in any order.

    Rows are put together on the server, thousands to a message: a message each would cost more than all the rest.

    columns  name and numpy type of each, as "i8", "i4", "i2" or "f4"; the query must return just these names and types,
             the first of them a bigint
    """
    sent = " || ".join(f"{SEND[kind]}({name})" for name, kind in columns.items())
    packed = f"SELECT string_agg({sent}, ''::bytea) FROM ({query}) AS rows GROUP BY {next(iter(columns))} >> {PACKED}"
    with connection.cursor() as cursor, cursor.copy(f"COPY ({packed}) TO STDOUT (FORMAT BINARY)", values) as copy:
        copy.set_types(["bytea"])
        raw = b"".join(row[0] for row in copy.rows())
    rows = np.frombuffer(raw, [(name, f">{kind}") for name, kind in columns.items()])
    found = np.empty(len(rows), [(name, kind) for name, kind in columns.items()])
    for name in columns:
        found[name] = rows[name]
    return found


def write(command: str, columns: Mapping[str, np.ndarray]) -> None:
    """Send arrays of one length as rows; a two-dimensional one becomes a column of real[].

    command  COPY table (columns) FROM STDIN (FORMAT BINARY)
    """
    kinds = {
        name: (column.dtype.str[1:], column.shape[1] if column.ndim > 1 else 0) for name, column in columns.items()
    }
    rows = np.zeros(len(next(iter(columns.values()))), [("fields", ">i2"), *_parts(kinds)])
    rows["fields"] = len(columns)
    for name, column in columns.items():
        if column.ndim == 1:
            rows[f"{name} length"], rows[name] = column.dtype.itemsize, column
            continue
        size = column.shape[1]
        rows[f"{name} length"], rows[f"{name} shape"] = 20 + 8 * size, (1, 0, REAL, size, 1)
        rows[name]["length"], rows[name]["value"] = 4, column
    with connection.cursor() as cursor, cursor.copy(command) as copy:
        copy.write(HEADER)
        copy.write(rows.tobytes())
        copy.write(TRAILER)


def _parts(kinds: Mapping[str, tuple[str, int]]) -> list[Any]:
    parts: list[Any] = []
    for name, (kind, size) in kinds.items():
        parts.append((f"{name} length", ">i4"))
        if not size:
            parts.append((name, f">{kind}"))
        else:
            parts += [(f"{name} shape", ">i4", (5,)), (name, [("length", ">i4"), ("value", ">f4")], (size,))]
    return parts
