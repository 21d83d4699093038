"""What can go wrong, said once. Kinds know no HTTP; `problems` has the table."""

import re
from typing import Any, ClassVar


class DomainError(Exception):
    """A refusal with a public code (the class name), a sentence and facts; never caught to be ignored."""

    title: ClassVar[str] = "That is not possible"

    def __init__(self, detail: str = "", **facts: Any) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.facts = facts

    @property
    def code(self) -> str:
        return re.sub(r"(?<!^)(?=[A-Z])", "-", type(self).__name__).lower()


class Invalid(DomainError):
    title = "What was sent is not valid"


class Forbidden(DomainError):
    title = "You may not do this"


class NotFound(DomainError):
    title = "There is nothing here"


class Conflict(DomainError):
    title = "This does not fit what is there now"


class TooManyRequests(DomainError):
    title = "That was too often for now"


class IllegalMove(Conflict):
    title = "It is no longer in a state that allows this"


class KeyReused(Conflict):
    title = "This key was used for something else"


class InsufficientFunds(Conflict):
    title = "Not enough money is there for this"
