"""What goes in and comes out where budgets are changed and bonuses given; shapes only, no writing."""

from rest_framework import serializers

from marketplace.api.serializers import Strict
from tasks.api.serializers import ReasonSerializer
from tasks.bonuses import KEY_MOST, REASON_MOST
from tasks.models import Bonus


class BudgetSerializer(Strict):
    """What a batch may spend; all amounts with the fee."""

    answers_micros = serializers.IntegerField(help_text="What answers may cost in all, what is spent included.")
    least_micros = serializers.IntegerField(help_text="As far as that can be lowered now.")
    unused_micros = serializers.IntegerField(help_text="Of it, what no answer given out and no open seat needs.")
    seat_micros = serializers.IntegerField(help_text="What one more answer costs at most.")
    open_seats = serializers.IntegerField()
    withdrawn_seats = serializers.IntegerField(help_text="Answers that wait for money.")
    spent_micros = serializers.IntegerField()
    committed_micros = serializers.IntegerField(help_text="Spent, given out, or open to be taken.")
    expected_micros = serializers.IntegerField(help_text="What the batch will probably have cost; a guess.")
    most_micros = serializers.IntegerField(help_text="What it can cost at most.")
    gold_answers = serializers.IntegerField(help_text="Answers to known items, bought in all.")
    gold_answers_least = serializers.IntegerField()
    paid_exams = serializers.IntegerField()
    paid_exams_least = serializers.IntegerField()
    dry = serializers.BooleanField(help_text="It wants more answers than its budget pays.")
    lowering_to_micros = serializers.IntegerField(allow_null=True, help_text="Not there yet; a job goes on with it.")
    next_answers = serializers.IntegerField(help_text="That 1.00 more would buy of tasks that wait for another answer.")
    next_cost_micros = serializers.IntegerField(help_text="What these cost.")
    next_righted = serializers.FloatField(help_text="Labels that these would put right, as is to be expected.")
    currency = serializers.CharField()


class ChangeSerializer(Strict):
    """What each line is to be; what is left out stays as it is."""

    answers_micros = serializers.IntegerField(required=False, min_value=0, max_value=10**15)
    gold_answers = serializers.IntegerField(required=False, min_value=0, max_value=10**9)
    paid_exams = serializers.IntegerField(required=False, min_value=0, max_value=2**31 - 1)


class NewBonusSerializer(Strict):
    worker = serializers.CharField(max_length=40, help_text="Your organisation's name for them.")
    amount_micros = serializers.IntegerField(min_value=1, max_value=10**12)
    reason = serializers.CharField(max_length=REASON_MOST, help_text="The worker reads this.")
    key = serializers.CharField(max_length=KEY_MOST, help_text="Your own: under one key one bonus is paid, once.")


class NewBonusesSerializer(Strict):
    bonuses = serializers.ListField(child=NewBonusSerializer(), min_length=1)


class BonusSerializer(Strict):
    id = serializers.CharField(source="public_id")
    key = serializers.CharField()
    project = serializers.CharField(source="project.public_id")
    worker = serializers.SerializerMethodField(help_text="Your organisation's name for them.")
    amount_micros = serializers.IntegerField()
    fee_micros = serializers.IntegerField()
    currency = serializers.CharField(source="batch.currency")
    reason = serializers.CharField()
    given_at = serializers.DateTimeField()

    def get_worker(self, bonus: Bonus) -> str:
        return bonus.organisation.pseudonym(bonus.worker.public_id)


class MyBonusSerializer(Strict):
    id = serializers.CharField(source="public_id")
    project = serializers.CharField(source="project.public_id")
    title = serializers.CharField(source="project.title")
    amount_micros = serializers.IntegerField()
    currency = serializers.CharField(source="batch.currency")
    reason = serializers.CharField()
    given_at = serializers.DateTimeField()


class PartSerializer(ReasonSerializer):
    percent = serializers.IntegerField(min_value=1, max_value=99, help_text="Of the price, that is paid.")
