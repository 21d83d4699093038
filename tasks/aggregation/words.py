"""Texts as words: what is compared, and how it was spelt."""

import re
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from marketplace.labels.text import APOSTROPHES, PUNCTUATION, normal

TOKEN = re.compile(r"\S+\s*")


class Words(NamedTuple):
    """The words of a text.

    forms      what is compared: `normal` of marketplace.labels.text, word by word
    spellings  the same words as they were written, each with what follows it up to the next: "Good-", "bye! "
    """

    forms: tuple[str, ...]
    spellings: tuple[str, ...]


def split(text: str) -> Words:
    """The words of a text; one of nothing but spaces has none."""
    forms = tuple(normal(text).split())
    tokens = [(_forms(token), token) for token in TOKEN.findall(f"{text.strip()} ")]
    if sum(len(found) for found, _ in tokens) != len(forms):  # a stroke alone is a word only in a text of strokes
        tokens = [((), token) if normal(f"x {token}") == "x" else (found, token) for found, token in tokens]
    spellings: list[str] = []
    ahead = ""  # strokes before the first word
    for is_word, piece in (piece for found, token in tokens for piece in _pieces(found, token)):
        if is_word:
            spellings.append(ahead + piece)
            ahead = ""
        elif spellings:
            spellings[-1] += piece
        else:
            ahead += piece
    if tuple(form for found, _ in tokens for form in found) != forms:
        spellings = [f"{form} " for form in forms]
    return Words(forms, tuple(spellings))


def joined(words: Words) -> str:
    """One text of these words; plain where their spellings, put together, would read as other words."""
    text = "".join(words.spellings).strip()
    return text if tuple(normal(text).split()) == words.forms else " ".join(words.forms)


@lru_cache(100_000)
def _forms(token: str) -> tuple[str, ...]:
    return tuple(normal(token).split())


def _pieces(forms: tuple[str, ...], token: str) -> list[tuple[bool, str]]:
    """The parts of one token, and which of them are its words: "self-made, " is "self-" and "made, "."""
    if len(forms) < 2:
        return [(bool(forms), token)]
    cuts = [0, *(cut.end() for cut in PUNCTUATION.finditer(token)), len(token)]
    parts = [token[start:end] for start, end in pairwise(cuts)]
    pieces = [(bool(APOSTROPHES.sub("", PUNCTUATION.sub("", part)).strip()), part) for part in parts]
    return pieces if sum(is_word for is_word, _ in pieces) == len(forms) else [(True, f"{form} ") for form in forms]
