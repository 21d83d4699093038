"""What goes in and comes out at the edge of the work; shapes only, no writing."""

from typing import Any

from rest_framework import serializers

from marketplace.api.serializers import Strict
from tasks import assignments, earning
from tasks.api import teaching_shapes
from tasks.api.fair_pay_shapes import PaySerializer
from tasks.api.guideline_shapes import GuidelineText
from tasks.api.rules_shapes import RuleInForceSerializer
from tasks.models import Answer, Assignment, Decision, Evidence
from workers import requirements, tiers


class AccessTokenSerializer(Strict):
    token = serializers.CharField()
    expires_in_s = serializers.IntegerField()


class OfferSerializer(Strict):
    """A project as workers find it."""

    id = serializers.CharField(source="public_id")
    title = serializers.CharField()
    description = serializers.CharField()
    organisation = serializers.CharField(source="organisation.name")
    price_micros = serializers.IntegerField()
    currency = serializers.CharField()
    mode = serializers.CharField()
    page_size = serializers.IntegerField()
    lease_s = serializers.IntegerField()
    practice_size = serializers.IntegerField()
    pass_mark = serializers.FloatField()
    picking = serializers.SerializerMethodField()
    your_price_micros = serializers.SerializerMethodField(help_text="By the highest tier you hold.")
    missing = serializers.SerializerMethodField(help_text="Of the requirement, or to be paid; empty: nothing.")

    def get_your_price_micros(self, project: Any) -> int:
        return tiers.of(self.context["worker"], project)

    def get_missing(self, project: Any) -> list[str]:
        worker = self.context["worker"]
        return earning.missing(worker, project) + requirements.missing(worker, project)

    def get_picking(self, project: Any) -> bool:
        return bool(project.pick_column)


class RequirementLineSerializer(Strict):
    """A part of a requirement, and how you stand to it."""

    text = serializers.CharField()
    state = serializers.ChoiceField([("met", "met"), ("missing", "missing"), ("unknown", "unknown")])
    note = serializers.CharField(help_text="What to do about it.")
    is_in_the_way = serializers.BooleanField()


class GuidelineVersionSerializer(Strict):
    version = serializers.IntegerField(min_value=1)


class AcknowledgeSerializer(GuidelineVersionSerializer):
    active_s = serializers.IntegerField(
        required=False, min_value=0, help_text="Seconds it took to read; counted as far as its length explains them."
    )


class ConductSerializer(Strict):
    decided = serializers.IntegerField(help_text="Decisions against workers that took effect.")
    contested = serializers.IntegerField()
    overturned = serializers.IntegerField()


class OfferDetailSerializer(OfferSerializer):
    """The same with what is needed to decide and to begin."""

    guideline = GuidelineText(allow_null=True)
    last_read = serializers.IntegerField(allow_null=True, help_text="The version you acknowledged last.")
    schema = serializers.JSONField()
    requirement = RequirementLineSerializer(source="requirement_lines", many=True)
    practice = serializers.CharField(help_text="none, needed, done (the exam is next), passed or failed")
    exam = teaching_shapes.StandSerializer()
    training = teaching_shapes.EffortSerializer(many=True, help_text="What comes before paid work: its time and pay.")
    next = serializers.CharField(
        help_text="What to do next: read, lessons, practise, exam, start, begun; or why not: own, away, suspended, "
        "stopped, payable, requirement, wait, failed."
    )
    pay = PaySerializer(help_text="What an hour pays here, and the floor that holds for you.")
    unpaid_s = serializers.IntegerField(help_text="What comes before the paid work takes about so long, unpaid.")
    median_active_s = serializers.FloatField(allow_null=True, help_text="Seconds a task has taken so far.")
    conduct = ConductSerializer(help_text="How the organisation decides about workers.")
    rules = RuleInForceSerializer(source="rules_on", many=True, help_text="That are on, and may decide about workers.")


class ClaimSerializer(Strict):
    tasks = serializers.IntegerField(required=False, min_value=1, help_text="Fewer than a whole page.")
    pick = serializers.ListField(
        child=serializers.CharField(), required=False, help_text="Values of the pick column, where picking is allowed."
    )


class PageTaskSerializer(Strict):
    position = serializers.IntegerField()
    payload = serializers.JSONField()
    state = serializers.CharField()
    value = serializers.JSONField()


class AssignmentSerializer(Strict):
    """A lease, without its tasks."""

    id = serializers.CharField(source="public_id")
    project = serializers.CharField(source="project.public_id")
    batch = serializers.CharField(source="batch.public_id")
    purpose = serializers.CharField()
    state = serializers.CharField()
    claimed_at = serializers.DateTimeField()
    leased_until = serializers.DateTimeField()
    submitted_at = serializers.DateTimeField(allow_null=True)
    active_s = serializers.IntegerField()
    guideline_version = serializers.IntegerField()
    price_micros = serializers.SerializerMethodField(help_text="Of each task.")
    currency = serializers.CharField(source="batch.currency")
    score = serializers.FloatField(allow_null=True, help_text="Of a practice or exam.")

    def get_price_micros(self, lease: Assignment) -> int:
        return assignments.price_micros(lease)


class PageSerializer(AssignmentSerializer):
    """A lease with all that is needed to do it."""

    schema = serializers.JSONField(source="batch.schema")
    tasks = PageTaskSerializer(many=True)
    draft = serializers.JSONField()


class ReceiptSerializer(Strict):
    """What became of a page that was handed in."""

    id = serializers.CharField()
    state = serializers.CharField()
    submitted_at = serializers.DateTimeField()
    active_s = serializers.IntegerField()
    score = serializers.FloatField(allow_null=True, help_text="Of a practice.")
    refused = serializers.ListField(child=serializers.IntegerField(), help_text="Positions that came too late.")
    next = PageSerializer(allow_null=True, help_text="Null: not asked for, or there is none; a claim says why.")


class HeartbeatSerializer(Strict):
    active_s = serializers.IntegerField(min_value=0, help_text="Active seconds so far, all heartbeats together.")


class LeaseSerializer(Strict):
    leased_until = serializers.DateTimeField()
    active_s = serializers.IntegerField()


class AnswerInSerializer(Strict):
    position = serializers.IntegerField(min_value=0)
    value = serializers.JSONField(help_text="Field name -> value, as the label schema says.")


class SubmitSerializer(Strict):
    answers = AnswerInSerializer(many=True)
    active_s = serializers.IntegerField(required=False, min_value=0)
    next = serializers.BooleanField(required=False, help_text="Claim the next page of the project with it.")


class PositionSerializer(Strict):
    position = serializers.IntegerField(min_value=0)


class FeedbackSerializer(Strict):
    score = serializers.FloatField()
    passed = serializers.BooleanField()
    pass_mark = serializers.FloatField(allow_null=True, help_text="Null: an exam decides.")
    attempts_left = serializers.IntegerField(allow_null=True, help_text="Null: as often as you like.")
    answers = teaching_shapes.MarkedSerializer(many=True)


class StatementOfSideSerializer(Strict):
    side = serializers.CharField(help_text="worker or requester")
    text = serializers.CharField()
    at = serializers.DateTimeField()


class AppealSerializer(Strict):
    id = serializers.CharField(source="public_id")
    decision = serializers.CharField(source="decision.public_id")
    state = serializers.CharField()
    statement = serializers.CharField()
    opened_at = serializers.DateTimeField()
    due_at = serializers.DateTimeField()
    decided_at = serializers.DateTimeField(allow_null=True)
    reason = serializers.CharField(allow_blank=True)
    statements = StatementOfSideSerializer(many=True)


class DecisionSerializer(Strict):
    id = serializers.CharField(source="public_id")
    answer = serializers.CharField(source="answer.public_id", allow_null=True, default=None)
    project = serializers.CharField(source="project.public_id", allow_null=True, default=None)
    kind = serializers.CharField()
    state = serializers.CharField()
    reason_code = serializers.CharField()
    reason = serializers.CharField()
    facts = serializers.JSONField(help_text="The figures it rests on.")
    decided_at = serializers.DateTimeField()
    contestable_until = serializers.DateTimeField()
    until = serializers.DateTimeField(allow_null=True, help_text="When it ends by itself.")
    by_rule = serializers.SerializerMethodField(help_text="No person has signed it.")
    undone_because = serializers.CharField()
    appeal = AppealSerializer(allow_null=True, default=None)

    def get_by_rule(self, decision: Decision) -> bool:
        return decision.decided_by_id is None


class CheckOfDecisionSerializer(Strict):
    answer = serializers.CharField(help_text="To the known task; names it where one contests what is known.")
    correct = serializers.FloatField()
    counts = serializers.BooleanField(help_text="False: it was found wrong, or is looked at.")


class MyDecisionSerializer(DecisionSerializer):
    """A decision with the known answers it rests on."""

    checks = serializers.SerializerMethodField()

    def get_checks(self, decision: Decision) -> list[dict[str, Any]]:
        grounds = decision.grounds.filter(evidence__kind=Evidence.Kind.GOLD).order_by("pk")
        told = [row.evidence for row in grounds.select_related("evidence__void", "evidence__answer__assignment")[:100]]
        rows = [
            {"answer": one.answer.public_id, "correct": one.correct, "counts": not hasattr(one, "void")} for one in told
        ]
        return list(CheckOfDecisionSerializer(rows, many=True).data)


class MyAnswerSerializer(Strict):
    """An answer as the worker who gave it sees it."""

    id = serializers.CharField(source="public_id")
    project = serializers.CharField(source="batch.project.public_id")
    position = serializers.IntegerField()
    state = serializers.CharField()
    value = serializers.JSONField()
    price_micros = serializers.IntegerField()
    currency = serializers.CharField(source="batch.currency")
    submitted_at = serializers.DateTimeField()
    accept_at = serializers.DateTimeField(help_text="Accepted then, if nobody decides before.")
    settled = serializers.SerializerMethodField()

    def get_settled(self, answer: Answer) -> bool:
        return answer.entry_id is not None


class ReliabilitySerializer(Strict):
    project = serializers.CharField(source="project.public_id")
    accuracy = serializers.FloatField()
    accuracy_p05 = serializers.FloatField()
    accuracy_p95 = serializers.FloatField()
    judged = serializers.FloatField(help_text="Answers with evidence.")


class BudgetBoundsSerializer(Strict):
    """What the answers may cost where a budget decides how many there are; with the fee."""

    answers_micros = serializers.IntegerField(help_text="As asked; what would probably be enough where nothing was.")
    least_micros = serializers.IntegerField(help_text="For the least answers of every item.")
    most_micros = serializers.IntegerField(help_text="For the most.")


class QuoteSerializer(Strict):
    items = serializers.IntegerField()
    gold = serializers.IntegerField()
    practice_gold = serializers.IntegerField()
    exam_gold = serializers.IntegerField()
    pilot = serializers.IntegerField(help_text="Items of a pilot; 0: it is none.")
    answers_least = serializers.IntegerField(help_text="That all items get together.")
    answers_most = serializers.IntegerField()
    budget = BudgetBoundsSerializer(allow_null=True, help_text="Null: the confidence of each item decides.")
    gold_answers_most = serializers.IntegerField()
    lines = serializers.DictField(child=serializers.IntegerField(), help_text="Micros, fee included.")
    expected = serializers.DictField(
        child=serializers.IntegerField(), help_text="Of each line, what it will probably cost; a guess."
    )
    expected_micros = serializers.IntegerField()
    fee_bp = serializers.IntegerField(help_text="The fee on each price, in basis points.")
    fee_micros = serializers.IntegerField()
    total_micros = serializers.IntegerField()
    available_micros = serializers.IntegerField()
    missing_micros = serializers.IntegerField()
    currency = serializers.CharField()
    mode = serializers.CharField()
    price_most_micros = serializers.IntegerField(help_text="The highest price of one answer, of the highest tier.")
    problems = serializers.ListField(child=serializers.CharField())


class PublishSerializer(Strict):
    dataset = serializers.CharField()
    budget_micros = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=10**15,
        help_text="What the answers may cost, with the fee; for projects that buy by budget, and only for these.",
    )


class QuotedSerializer(PublishSerializer):
    """What is asked the price of."""


class ProgressSerializer(Strict):
    tasks = serializers.IntegerField()
    closed = serializers.IntegerField()
    answers_bought = serializers.IntegerField()
    answers_in = serializers.IntegerField()
    accepted = serializers.IntegerField()
    rejected = serializers.IntegerField()
    excluded = serializers.IntegerField()
    waiting = serializers.IntegerField()
    leased = serializers.IntegerField()
    gold_answers = serializers.IntegerField()
    spent_micros = serializers.IntegerField()
    reserved_micros = serializers.IntegerField()
    currency = serializers.CharField()


class BatchSerializer(Strict):
    id = serializers.CharField(source="public_id")
    project = serializers.CharField(source="project.public_id")
    dataset = serializers.CharField(source="dataset.public_id")
    number = serializers.IntegerField()
    state = serializers.CharField()
    dataset_version = serializers.IntegerField()
    schema_version = serializers.IntegerField()
    mode = serializers.CharField()
    currency = serializers.CharField()
    price_micros = serializers.IntegerField()
    fee_bp = serializers.IntegerField()
    redundancy_min = serializers.IntegerField()
    redundancy_max = serializers.IntegerField()
    redundancy_by = serializers.CharField()
    ask_experts = serializers.BooleanField()
    target_confidence = serializers.FloatField()
    pay_floor_micros = serializers.IntegerField()
    top_up_most_percent = serializers.IntegerField()
    published_at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField(allow_null=True)
    returned_at = serializers.DateTimeField(allow_null=True)


class BatchDetailSerializer(BatchSerializer):
    progress = ProgressSerializer()


class AnswerSerializer(Strict):
    """An answer as the requesting organisation sees it: the worker under a pseudonym of its own."""

    id = serializers.CharField(source="public_id")
    worker = serializers.SerializerMethodField()
    payload = serializers.JSONField(source="task.item.payload")
    value = serializers.JSONField()
    state = serializers.CharField()
    price_micros = serializers.IntegerField()
    submitted_at = serializers.DateTimeField()
    guideline_version = serializers.IntegerField(source="assignment.guideline_version")
    self_selected = serializers.BooleanField()
    superseded_at = serializers.DateTimeField(
        allow_null=True, help_text="Since when it is asked again under a later guideline: paid, and not counted."
    )
    active_s = serializers.IntegerField(source="assignment.active_s", help_text="Of the whole page.")

    def get_worker(self, answer: Answer) -> str:
        return answer.batch.project.organisation.pseudonym(answer.worker.public_id)


class AcceptSerializer(Strict):
    answers = serializers.ListField(child=serializers.CharField(), min_length=1, max_length=1000)


class AcceptedSerializer(Strict):
    accepted = serializers.IntegerField()


class ReasonSerializer(Strict):
    reason_code = serializers.ChoiceField(choices=Decision.Reason.choices)
    reason = serializers.CharField(max_length=5000)
    refill = serializers.BooleanField(default=True, help_text="Buy another answer in its place.")


class StatementSerializer(Strict):
    statement = serializers.CharField(max_length=5000)


class VerdictSerializer(Strict):
    reason = serializers.CharField(max_length=5000)


class BatchWorkerSerializer(Strict):
    worker = serializers.CharField()
    answers = serializers.IntegerField()
    accuracy = serializers.FloatField(allow_null=True)
    accuracy_p05 = serializers.FloatField(allow_null=True)
    accuracy_p95 = serializers.FloatField(allow_null=True)
