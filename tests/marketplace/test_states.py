import pytest

from marketplace.core import states
from marketplace.core.errors import IllegalMove
from marketplace.models import Project
from tests import make

pytestmark = pytest.mark.django_db


def test_a_row_moves_and_takes_fields_along():
    project = make.project()
    states.move(project, "open", title="Owls")
    assert (project.state, project.title) == ("open", "Owls")
    assert Project.objects.get().title == "Owls"


def test_a_move_that_the_table_does_not_know_is_refused():
    project = make.project()
    with pytest.raises(IllegalMove):
        states.move(project, "paused")
    assert Project.objects.get().state == "draft"


def test_of_two_who_hold_the_same_row_one_moves_it():
    first, second = make.project(), Project.objects.get()
    states.move(first, "open")
    with pytest.raises(IllegalMove, match="meanwhile"):
        states.move(second, "closed")
