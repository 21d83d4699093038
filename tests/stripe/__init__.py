"""A stand-in for Stripe on this machine: stateful, and as strict as the client library's own types.

`Fake` serves it from this process, `python -m tests.stripe --port 12111` from one of its own, `Remote` commands either.
"""

from tests.stripe.remote import Remote
from tests.stripe.server import Fake

__all__ = ["Fake", "Remote"]
