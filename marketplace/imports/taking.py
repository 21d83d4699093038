"""From candidates to items, aliases and known answers: decided in memory, written in a few statements.

The caller holds the lock of the dataset, so what is read here stays true until it is written.
"""

import json
from typing import Any

from django.db import connection

from marketplace.core import strictjson
from marketplace.imports.candidates import Candidate
from marketplace.imports.rows import Problem
from marketplace.models import Import

# Sets go in as one array or one document: binding every value of 5,000 rows takes longer than all the rest
OLD_ITEMS = "SELECT content_hash, truth FROM marketplace_item WHERE dataset_id = %s AND content_hash = ANY(%s)"
OLD_KEYS = """
SELECT alias.key, item.content_hash FROM marketplace_itemalias alias
JOIN marketplace_item item ON item.id = alias.item_id
WHERE alias.dataset_id = %s AND alias.version = %s AND alias.key = ANY(%s)
"""
NEW_ITEMS = """
INSERT INTO marketplace_item (dataset_id, version, content_hash, payload, truth)
SELECT %s, %s, decode(digest, 'hex'), payload, nullif(truth, '{}')
FROM jsonb_to_recordset(%s) AS new (digest text, payload jsonb, truth jsonb)
"""
LEARNT = """
UPDATE marketplace_item SET truth = new.truth FROM jsonb_to_recordset(%s) AS new (digest text, truth jsonb)
WHERE dataset_id = %s AND content_hash = decode(digest, 'hex')
"""
NEW_ALIASES = """
INSERT INTO marketplace_itemalias (dataset_id, version, key, item_id)
SELECT item.dataset_id, %s, new.key, item.id FROM jsonb_to_recordset(%s) AS new (key text, digest text)
JOIN marketplace_item item ON item.dataset_id = %s AND item.content_hash = decode(new.digest, 'hex')
"""


class Taking:
    """The rows of one step, each of which is taken or refused in the light of all before it."""

    def __init__(self, run: Import, candidates: list[Candidate]) -> None:
        self.run = run
        with connection.cursor() as cursor:
            digests = list({candidate.digest for candidate in candidates})
            cursor.execute(OLD_ITEMS, [run.dataset_id, digests])
            self.truths = {bytes(digest): json.loads(truth or "{}") for digest, truth in cursor.fetchall()}
            keys = [candidate.key for candidate in candidates]
            cursor.execute(OLD_KEYS, [run.dataset_id, run.version, keys])
            self.keys = {key: bytes(digest) for key, digest in cursor.fetchall()}
        self.items: dict[bytes, Candidate] = {}
        self.aliases: dict[str, bytes] = {}
        self.learnt: set[bytes] = set()
        self.duplicates = 0

    def problem_with(self, row: Candidate) -> Problem | None:
        """Take a row, or say why not."""
        if self.keys.get(row.key, row.digest) != row.digest:
            message = f"an earlier row has the key {row.key!r} and other content"
            return Problem(self.run.key_column, "duplicate-key", message)
        known = self.truths.get(row.digest)
        if known is None:
            self.items[row.digest] = row
        elif problem := self._contradiction(known, row):
            return problem
        elif row.truth.keys() - known.keys():
            self.learnt.add(row.digest)
        self.duplicates += known is not None
        self.truths[row.digest] = {**(known or {}), **row.truth}
        if row.key not in self.keys:
            self.keys[row.key] = self.aliases[row.key] = row.digest
        return None

    def _contradiction(self, known: dict[str, Any], row: Candidate) -> Problem | None:
        for column, name in self.run.truth_columns.items():
            if name in known and row.truth.get(name, known[name]) != known[name]:
                said = repr(known[name])[:100]
                return Problem(column, "truth-conflict", f"an earlier row with this content says {said}")
        return None

    def write(self) -> None:
        """Put what was taken into the dataset."""
        dataset, version = self.run.dataset_id, self.run.version
        items = [
            {"digest": digest.hex(), "payload": row.payload, "truth": self.truths[digest]}
            for digest, row in self.items.items()
        ]
        learnt = [{"digest": digest.hex(), "truth": self.truths[digest]} for digest in self.learnt - self.items.keys()]
        aliases = [{"key": key, "digest": digest.hex()} for key, digest in self.aliases.items()]
        with connection.cursor() as cursor:
            cursor.execute(NEW_ITEMS, [dataset, version, strictjson.dumps(items)])
            cursor.execute(LEARNT, [strictjson.dumps(learnt), dataset])
            cursor.execute(NEW_ALIASES, [version, strictjson.dumps(aliases), dataset])
