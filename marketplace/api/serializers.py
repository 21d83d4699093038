"""What requests mean and what answers say. Ids are public ids; money is integer micros; verbs hold the rules."""

from typing import Any

from django.db.models import Sum
from rest_framework import serializers

from marketplace.core import strictjson
from marketplace.models import ApiKey, Dataset, Import, Mode, Organisation, Project, RedundancyBy, Role


class Strict(serializers.Serializer[Any]):
    """Plain fields; one that cannot be set is an error, since a misspelt one would be lost without a word."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict):
            settable = {name for name, field in self.fields.items() if not field.read_only}
            if unknown := data.keys() - settable:
                raise serializers.ValidationError({name: ["no such field can be set"] for name in unknown}, "unknown")
        return super().to_internal_value(data)


class PublicId(serializers.CharField):
    """A public id, such as `prj_7m2k…`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"max_length": 24, "source": "public_id", "read_only": True, **options})


class Me(Strict):
    id = PublicId()
    email = serializers.EmailField(read_only=True)
    name = serializers.CharField(max_length=120, allow_blank=True)
    is_confirmed = serializers.BooleanField(read_only=True)
    is_staff = serializers.BooleanField(read_only=True)


class ApiKeySerializer(Strict):
    id = PublicId()
    name = serializers.CharField(max_length=80)
    scopes = serializers.ListField(child=serializers.ChoiceField(ApiKey.Scope.choices), min_length=1)
    created_at = serializers.DateTimeField(read_only=True)
    expires_at = serializers.DateTimeField(read_only=True)
    revoked_at = serializers.DateTimeField(read_only=True, allow_null=True)


class NewApiKey(Strict):
    name = serializers.CharField(max_length=80)
    scopes = serializers.ListField(child=serializers.ChoiceField(ApiKey.Scope.choices), min_length=1)
    expires_in_days = serializers.IntegerField(default=90, min_value=1, max_value=365)


class IssuedApiKey(ApiKeySerializer):
    secret = serializers.CharField(read_only=True, help_text="Shown this once; only its hash is kept.")


class OrganisationSerializer(Strict):
    id = PublicId()
    name = serializers.CharField(max_length=120)
    is_frozen = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField(read_only=True)

    def get_is_frozen(self, organisation: Organisation) -> bool:
        return organisation.frozen_at is not None


class Member(Strict):
    id = PublicId(source="user.public_id", help_text="Of the user.")
    name = serializers.CharField(source="user.name", read_only=True)
    email = serializers.EmailField(source="user.email", read_only=True)
    role = serializers.ChoiceField(Role.choices)


class NewMember(Strict):
    email = serializers.EmailField(help_text="Confirmed by somebody who signed up here.")
    role = serializers.ChoiceField(Role.choices)


class ProjectTerms(Strict):
    """What a requester decides of a project; anything left out keeps its default."""

    description = serializers.CharField(max_length=20_000, allow_blank=True)
    redundancy_min = serializers.IntegerField(help_text="Answers every task gets.")
    redundancy_max = serializers.IntegerField(help_text="Answers an unsure task may get.")
    redundancy_by = serializers.ChoiceField(
        RedundancyBy.choices,
        help_text="What decides which tasks get more answers than the least: the confidence each has, or a budget that "
        "goes where an answer is worth most.",
    )
    ask_experts = serializers.BooleanField(
        help_text="Unsure tasks go first to workers who tell their likely answers apart better than most."
    )
    target_confidence = serializers.FloatField(help_text="Of consensus; a task this sure closes early.")
    page_size = serializers.IntegerField(help_text="Tasks handed out together.")
    lease_s = serializers.IntegerField(help_text="Time to answer a page.")
    accept_after_s = serializers.IntegerField(help_text="Undecided answers are accepted after this.")
    appeal_window_s = serializers.IntegerField()
    gold_share = serializers.FloatField(help_text="Share of tasks with a known answer.")
    practice_size = serializers.IntegerField(help_text="Known tasks to practise on before work; 0: none.")
    pass_mark = serializers.FloatField()
    exam_size = serializers.IntegerField(help_text="Known tasks of an exam; 0: none, the practice decides.")
    exam_pass_mark = serializers.FloatField()
    exam_s = serializers.IntegerField(help_text="Time for the exam; it cannot be extended.")
    exam_attempts = serializers.IntegerField()
    exam_cooldown_s = serializers.IntegerField(help_text="Between two tries.")
    exam_price_micros = serializers.IntegerField(help_text="Of a whole exam; 0: it is not paid.")
    exam_paid_most = serializers.IntegerField(help_text="Paid exams that a batch buys at most.")
    expected_s = serializers.IntegerField(help_text="Seconds a task takes, until that is measured.")
    pay_floor_micros = serializers.IntegerField(help_text="What an hour is to pay at least; 0: no floor of its own.")
    top_up_most_percent = serializers.IntegerField(help_text="Of the price: what may be added to reach the floor.")
    pilot_size = serializers.IntegerField(help_text="Items of the first batch at most; 0: no pilot.")
    pilot_agreement = serializers.FloatField(help_text="What the pilot must reach before a full batch is published.")
    grant_days = serializers.IntegerField(help_text="How long a passed practice counts; 0: for good.")
    grant_accuracy = serializers.FloatField(
        help_text="It ends where the accuracy is surely below this, and is renewed where it surely is not; 0: neither."
    )
    review_share = serializers.FloatField(help_text="Of the labels, drawn at random for your reviewers; 0: none.")
    review_unsure = serializers.FloatField(help_text="Labels less sure than this go to your reviewers; 0: none do.")
    review_verdicts = serializers.IntegerField(help_text="First looks a reviewed label gets: 1, or 2 by two people.")
    pick_column = serializers.CharField(max_length=80, allow_blank=True, help_text="Lets workers pick tasks by it.")


class ProjectOffer(ProjectTerms):
    title = serializers.CharField(max_length=200)
    schema = serializers.JSONField(help_text="The label schema: display columns and answer fields.")
    price_micros = serializers.IntegerField(help_text="Of one answer, in millionths of the currency.")
    currency = serializers.CharField(max_length=3)


class ProjectSerializer(ProjectOffer):
    id = PublicId()
    organisation = PublicId(source="organisation.public_id")
    state = serializers.ChoiceField(Project.State.choices, read_only=True)
    mode = serializers.ChoiceField(Mode.choices, read_only=True)
    schema_version = serializers.IntegerField(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)


class NewProject(ProjectOffer):
    organisation = serializers.CharField(max_length=24)
    guideline = serializers.CharField(max_length=100_000, allow_blank=True, required=False, trim_whitespace=False)

    def get_fields(self) -> dict[str, Any]:
        fields = super().get_fields()
        for name in {*ProjectTerms().fields, "currency"}:
            fields[name].required = False
        return fields


class DatasetSerializer(Strict):
    id = PublicId()
    organisation = PublicId(source="organisation.public_id")
    name = serializers.CharField(max_length=200)
    version = serializers.IntegerField(read_only=True)
    items = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField(read_only=True)

    def get_items(self, dataset: Dataset) -> int:
        return dataset.imports.aggregate(items=Sum("good"))["items"] or 0  # counting millions takes a second


class NewDataset(Strict):
    organisation = serializers.CharField(max_length=24)
    name = serializers.CharField(max_length=200)


class ImportSerializer(Strict):
    id = PublicId()
    dataset = PublicId(source="dataset.public_id")
    version = serializers.IntegerField(read_only=True)
    state = serializers.ChoiceField(Import.State.choices, read_only=True)
    format = serializers.ChoiceField(Import.Format.choices, read_only=True)
    bytes_total = serializers.IntegerField(read_only=True)
    bytes_done = serializers.IntegerField(read_only=True)
    good = serializers.IntegerField(read_only=True, help_text="Rows that made an item.")
    duplicates = serializers.IntegerField(read_only=True, help_text="Rows whose content was there already.")
    bad = serializers.IntegerField(read_only=True, help_text="Rows that were not taken.")
    failure = serializers.CharField(read_only=True, help_text="Why no more of the file could be read.")
    created_at = serializers.DateTimeField(read_only=True)
    ended_at = serializers.DateTimeField(read_only=True, allow_null=True)


class TruthColumns(serializers.CharField):
    """A JSON object in a form field: column -> field."""

    def to_internal_value(self, data: Any) -> Any:
        try:
            found = strictjson.loads(super().to_internal_value(data))
        except ValueError as exc:
            raise serializers.ValidationError(str(exc)) from exc
        if not isinstance(found, dict) or not all(isinstance(name, str) for name in found.values()):
            raise serializers.ValidationError("must be a JSON object of column and field")
        return found


class NewImport(Strict):
    file = serializers.FileField(allow_empty_file=True)
    format = serializers.ChoiceField(Import.Format.choices)
    key_column = serializers.CharField(max_length=80, required=False, allow_blank=True, trim_whitespace=False)
    truth_columns = TruthColumns(required=False, help_text='JSON object: column -> field, as {"answer": "animal"}.')
    project = serializers.CharField(max_length=24, required=False, help_text="Whose fields the truth columns hold.")


class BadRowSerializer(Strict):
    line = serializers.IntegerField(read_only=True)
    column = serializers.CharField(read_only=True, help_text="Empty: the whole row.")
    code = serializers.CharField(read_only=True)
    message = serializers.CharField(read_only=True)
