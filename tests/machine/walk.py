"""The walk: steps through whatever moves money; after each, the database is what the books say."""

import hypothesis
from django.test import override_settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule, run_state_machine_as_test

from tasks import audit
from tests.machine.funding import Funding
from tests.machine.labour import Labour
from tests.machine.outgoings import Outgoings
from tests.machine.scene import HELD_DAYS
from tests.machine.verbs import VERBS

AUDITED_EVERY = 500  # steps


class Walk(Funding, Labour, Outgoings):
    """One organisation, a few workers, and whatever may happen to their money."""

    steps = 0

    @initialize(cents=st.integers(0, 500))
    def begin(self, cents: int) -> None:
        self.prepay(200, True)
        self.publish()
        self.prepay(cents + 1, True)

    @rule(data=st.data())
    def step(self, data: st.DataObject) -> None:
        verb = data.draw(st.sampled_from([verb for verb in VERBS if verb.holds(self)]))
        drawn = {name: data.draw(strategy) for name, strategy in verb.drawn.items()}
        hypothesis.note(f"{verb.call.__name__} {drawn}")
        verb.call(self, **drawn)

    # After every step, and at the end

    @invariant()
    def database_is_as_the_books_say(self) -> None:
        found, at = self.found(), self.books.at
        wrong = {
            place: (found.get(place, 0), at[place]) for place in found.keys() | at if found.get(place, 0) != at[place]
        }
        assert not wrong, f"micros found and expected: {wrong}"
        Walk.steps += 1
        if Walk.steps % AUDITED_EVERY == 0:
            assert audit.check() == []

    def teardown(self) -> None:
        """However it stands, everything ends: what is neither owed nor spent is the organisation's again."""
        for pk in self.running():
            self.end(pk)
        self.settle()
        self.return_rest()
        self.make_losses_good()  # or the sweep of the next walk does
        self.database_is_as_the_books_say()


def walk(seed: int, steps: int, *, a_walk: int = 100) -> int:
    """Go about so many steps, some to a walk, and say how many they were; the seed draws them all.

    raises  AssertionError, and prints the shortest walk that was found to go wrong
    """
    before = Walk.steps
    options = hypothesis.settings(
        max_examples=max(1, steps // a_walk),
        stateful_step_count=a_walk,
        deadline=None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    with override_settings(MODE="test", PLAY_MONEY=False, FUNDING_HOLD_DAYS=HELD_DAYS):
        run_state_machine_as_test(hypothesis.seed(seed)(Walk), settings=options)
    return Walk.steps - before
