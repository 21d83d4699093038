"""F21: everything that moves money, in random order, against a model of it in memory."""

from concurrent.futures import ThreadPoolExecutor
from random import Random
from subprocess import CompletedProcess

from tests.faults.ground import Stage
from tests.faults.outcome import Outcome

STEPS, AT_ONCE = 5_000, 2  # of a process, which takes some seconds to begin


def random_steps(stage: Stage, rng: Random, times: int) -> Outcome:
    """So many thousand steps; where one goes wrong, the seed that drew it is told."""
    steps = min(STEPS, 1_000 * times)

    def walk(seed: int) -> CompletedProcess[str]:
        """Alone in a database: what all accounts share is in its books."""
        url = stage.ground.copy(f"walk_{seed}")
        try:
            return stage.python("tests.machine", f"--seed={seed}", f"--steps={steps}", url=url)
        finally:
            stage.ground.drop(f"walk_{seed}")

    with ThreadPoolExecutor(AT_ONCE) as pool:
        ended = list(pool.map(walk, [rng.randrange(10**9) for _ in range(1_000 * times // steps)]))
    gone = sum(int(line.split()[0]) for run in ended for line in run.stdout.splitlines() if line.endswith(" steps"))
    wrong = [run for run in ended if run.returncode]
    said = [(run.stdout or run.stderr).strip().splitlines() for run in wrong]
    found = [f"{lines[0]}: {lines[-1]}" for lines in said]  # the seed comes first
    return Outcome(f"{gone} steps", gone or len(wrong), found[:3])
