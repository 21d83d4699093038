"""What import contracts cannot see: foreign keys, and names that promise nothing."""

from pathlib import Path

import pytest
from django.apps import apps

ROOT = Path(__file__).parent.parent
LEVEL = {"core": 0, "marketplace": 0, "workers": 1, "payments": 1, "tasks": 2}
NAMELESS = {"services.py", "selectors.py", "utils.py", "helpers.py", "managers.py", "signals.py"}


@pytest.mark.parametrize("app", ["marketplace", "workers", "payments", "tasks"])
def test_no_foreign_key_points_up_or_sideways(app):
    for model in apps.get_app_config(app).get_models():
        for field in model._meta.get_fields():
            if field.concrete and field.is_relation and field.related_model._meta.app_label in LEVEL:
                other = field.related_model._meta.app_label
                assert other == app or LEVEL[other] < LEVEL[app], f"{model.__name__}.{field.name} -> {other}"


def test_every_state_column_is_held_to_its_values():
    for model in apps.get_models():
        if hasattr(model, "MOVES"):
            names = [constraint.name for constraint in model._meta.constraints]
            assert f"{model._meta.model_name}_state_known" in names
            (known,) = (c for c in model._meta.constraints if c.name == f"{model._meta.model_name}_state_known")
            assert f"'state__in', {model.State.values}" in str(known.condition), model.__name__
            assert set(model.MOVES) <= set(model.State)


def test_no_module_is_named_for_no_idea():
    found = [path for app in LEVEL for path in (ROOT / app).rglob("*.py") if path.name in NAMELESS]
    assert found == []
    assert not [path for app in LEVEL for path in (ROOT / app).glob("tasks.py")]
