"""F21: everything that moves money, in random order, against a model of it in memory."""

from concurrent.futures import ThreadPoolExecutor
from random import Random

from tests.faults.ground import Stage
from tests.faults.outcome import Outcome

STEPS, AT_ONCE = 5_000, 2  # of a process, which takes some seconds to begin


def random_steps(stage: Stage, rng: Random, times: int) -> Outcome:
    """So many thousand steps; where one goes wrong, the seed that drew it is told."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        steps = min(STEPS, 1_000 * times)
        seeds = [rng.randrange(10**9) for _ in range(1_000 * times // steps)]
        ended = list(pool.map(lambda seed: stage.python("tests.machine", f"--seed={seed}", f"--steps={steps}"), seeds))
    gone = sum(int(line.split()[0]) for run in ended for line in run.stdout.splitlines() if line.endswith(" steps"))
    wrong = [run for run in ended if run.returncode]
    found = [(run.stdout or run.stderr).strip().splitlines()[-1] for run in wrong]
    return Outcome(f"{gone} steps", gone or len(wrong), found[:3])
