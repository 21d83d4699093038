"""What may make one look twice at how somebody works: figures with the chance of them among honest people.

None is ever a reason by itself. numpy, scipy and RapidFuzz only; the rows come from `tasks.signals`.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

RATE = 0.01  # of what is shown, the share that chance alone may be expected to have put there


def notable(p: Floats, rate: float = RATE) -> Flags:
    """Which of many p-values to show so that of those shown at most this share is expected to be chance.

    p  float[N]  one for each worker or pair that was looked at, also those that look like nothing
    source  Benjamini & Hochberg 1995, "Controlling the false discovery rate"
    """
    order = np.argsort(p, kind="stable")
    within = np.flatnonzero(p[order] <= rate * np.arange(1, len(p) + 1) / max(len(p), 1))
    shown = np.zeros(len(p), bool)
    shown[order[: within[-1] + 1 if len(within) else 0]] = True
    return shown
