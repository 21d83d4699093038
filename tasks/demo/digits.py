"""The 1,797 handwritten digits that ship inside scikit-learn, as rows to import and a table of their truth."""

import base64
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image
from sklearn.datasets import load_digits

CLASSES = [str(digit) for digit in range(10)]
GOLD = 60  # items whose truth the requester knows: enough for practice and hidden gold
ALL = 1797 - GOLD
SIDE = 64  # pixels; the originals have 8
SCHEMA = {
    "display": [{"column": "image", "kind": "image"}],
    "fields": [{"name": "digit", "type": "choice", "title": "Which digit is this?", "options": CLASSES}],
}
GUIDELINE = """# Which digit is this?

Each picture shows **one digit written by hand**. Choose the digit that was meant, not the one it could also be.

* A **1** may have a foot and a long nose; a **7** has no foot.
* A **9** is closed at the top; a **4** is open, or its corners are sharp.
* A **5** ends in an open belly, a **6** in a closed one.

If you really cannot tell, choose what most people would read. Every answer counts the same, however long it takes.
"""


@dataclass(frozen=True)
class Digits:
    """Some of the images, those with known truth last.

    images  list of N data URIs
    truth   int[N]
    items   how many of them are to be answered; the rest is gold
    """

    images: list[str]
    truth: npt.NDArray[np.int64]
    items: int

    def rows(self) -> Iterator[bytes]:
        """JSON Lines to import: the truth of the gold only."""
        for number, image in enumerate(self.images):
            row = {"key": key(number), "image": image}
            if number >= self.items:
                row["truth"] = CLASSES[self.truth[number]]
            yield json.dumps(row).encode() + b"\n"

    def shown(self) -> dict[str, tuple[str, int]]:
        """What a worker who sees an image knows: its key and its class."""
        return {image: (key(n), int(self.truth[n])) for n, image in enumerate(self.images)}

    def held_back(self) -> dict[str, str]:
        """Key -> right label of the items to be answered."""
        return {key(number): CLASSES[self.truth[number]] for number in range(self.items)}


def load(seed: int, items: int) -> Digits:
    """Draw so many items and the gold from the seed."""
    found = load_digits()
    chosen = np.random.default_rng(seed).permutation(len(found.images))[: items + GOLD]
    return Digits([picture(found.images[n]) for n in chosen], found.target[chosen], items)


def picture(image: npt.NDArray[np.float64]) -> str:
    """A data: URI of an image of 8 x 8 shades from 0 (paper) to 16 (ink), drawn larger."""
    shades = Image.fromarray((255 - np.round(image * 255 / 16)).astype(np.uint8))
    file = io.BytesIO()
    shades.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def key(number: int) -> str:
    return f"digit-{number + 1:04d}"
