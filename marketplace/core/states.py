"""The one guarded way to move a row from one state to the next."""

from typing import Any

from django.db import models

from marketplace.core.errors import IllegalMove


def move(row: models.Model, to: str, **fields: Any) -> None:
    """Move `row` to state `to`, or raise IllegalMove when the table of moves or a faster writer forbids it."""
    state = row.state  # type: ignore[attr-defined]
    if to not in type(row).MOVES.get(state, ()):  # type: ignore[attr-defined]
        raise IllegalMove(f"{state} cannot become {to}", state=str(state))
    unchanged = type(row)._default_manager.filter(pk=row.pk, state=state)
    if not unchanged.update(state=to, **fields):
        raise IllegalMove("it was changed meanwhile", state=str(state))
    for name, value in {"state": to, **fields}.items():
        setattr(row, name, value)


def known(model_name: str, states: list[str]) -> models.CheckConstraint:
    """The constraint that holds the column `state` to its values."""
    return models.CheckConstraint(condition=models.Q(state__in=states), name=f"{model_name}_state_known")
