"""From candidates to items, aliases and known answers: decided in memory, written in a few statements.

The caller holds the lock of the dataset, so what is read here stays true until it is written.
"""

import json
from collections.abc import Iterable
from typing import Any

from django.db import connection

from marketplace.core import strictjson
from marketplace.imports.candidates import Candidate
from marketplace.imports.rows import Problem
from marketplace.models import Import

# Sets go in as one document, or by COPY: binding every value of 5,000 rows takes longer than all the rest. Each is
# looked up by itself (OFFSET 0: no join), in a dataset the planner does not know (a sub-select): of one that is newer
# than its statistics it believes that there is no row, and reads all of them at every look.
OLD_ITEMS = """
SELECT old.* FROM jsonb_array_elements_text(%s) AS wanted (digest), LATERAL (
    SELECT content_hash, id, truth FROM marketplace_item
    WHERE dataset_id = (SELECT %s) AND content_hash = decode(wanted.digest, 'hex') OFFSET 0) AS old
"""
OLD_KEYS = """
SELECT old.* FROM jsonb_array_elements_text(%s) AS wanted (key), LATERAL (
    SELECT key, item_id FROM marketplace_itemalias
    WHERE dataset_id = (SELECT %s) AND version = (SELECT %s) AND key = wanted.key OFFSET 0) AS old
"""
LEARNT = """
UPDATE marketplace_item SET truth = new.truth FROM jsonb_to_recordset(%s) AS new (id bigint, truth jsonb)
WHERE marketplace_item.id = new.id
"""
NEW_IDS = "SELECT nextval('marketplace_item_id_seq') FROM generate_series(1, %s)"
NEW_ITEMS = "COPY marketplace_item (id, dataset_id, version, content_hash, payload, truth) FROM STDIN"
NEW_ALIASES = "COPY marketplace_itemalias (dataset_id, version, key, item_id) FROM STDIN"
OTHER = b""  # the content of an earlier row that no row of this step has


class Taking:
    """The rows of one step, each of which is taken or refused in the light of all before it."""

    def __init__(self, run: Import, candidates: list[Candidate]) -> None:
        self.run = run
        self.ids: dict[bytes, int] = {}
        self.truths: dict[bytes, dict[str, Any]] = {}
        self.keys: dict[str, bytes] = {}
        self.items: dict[bytes, Candidate] = {}
        self.aliases: dict[str, bytes] = {}
        self.learnt: set[bytes] = set()
        self.duplicates = 0
        with connection.cursor() as cursor:
            digests = json.dumps([digest.hex() for digest in {candidate.digest for candidate in candidates}])
            cursor.execute(OLD_ITEMS, [digests, run.dataset_id])
            for digest, pk, truth in cursor.fetchall():
                self.ids[bytes(digest)], self.truths[bytes(digest)] = pk, json.loads(truth or "{}")
            if run.key_column:  # a key that is the number of its line comes once
                digests_of = {pk: digest for digest, pk in self.ids.items()}
                keys = strictjson.dumps([candidate.key for candidate in candidates])
                cursor.execute(OLD_KEYS, [keys, run.dataset_id, run.version])
                self.keys = {key: digests_of.get(item, OTHER) for key, item in cursor.fetchall()}

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
        dataset, version, truths = self.run.dataset_id, self.run.version, self.truths
        learnt = [{"id": self.ids[digest], "truth": truths[digest]} for digest in self.learnt - self.items.keys()]
        with connection.cursor() as cursor:
            if learnt:
                cursor.execute(LEARNT, [strictjson.dumps(learnt)])
            cursor.execute(NEW_IDS, [len(self.items)])
            self.ids.update(zip(self.items, (pk for (pk,) in cursor.fetchall()), strict=True))
        items = (
            (self.ids[digest], dataset, version, digest, row.payload, _document(truths[digest]))
            for digest, row in self.items.items()
        )
        _copy(NEW_ITEMS, items)
        _copy(NEW_ALIASES, ((dataset, version, key, self.ids[digest]) for key, digest in self.aliases.items()))


def _document(truth: dict[str, Any]) -> str | None:
    return strictjson.dumps(truth) if truth else None


def _copy(command: str, rows: Iterable[tuple[Any, ...]]) -> None:
    with connection.cursor() as cursor, cursor.copy(command) as sink:
        for row in rows:
            sink.write_row(row)
