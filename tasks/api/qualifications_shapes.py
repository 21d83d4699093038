"""Shapes of qualifications, groups, requirements and tiers at the edge of the API."""

from rest_framework import serializers

from marketplace.api.serializers import PublicId, Strict
from workers.models import CredentialRequest, Grant, Group, GroupMember, Qualification
from workers.requirements import COMPARATORS, SUBJECTS

Choices = serializers.ChoiceField


EXPRESSION = (
    'A condition {"of": subject, "is": comparator, "to": value}, or {"all": […]}, {"any": […]}, {"not": …} of them. '
    f"Subjects: {', '.join(f'{key}:<id>' if one.is_named else key for key, one in SUBJECTS.items())}. "
    f"Comparators: {', '.join(COMPARATORS)}. Of answers and approved_share, "
    '"in" says "site" (or nothing) or "organisation".'
)


class QualificationSerializer(Strict):
    id = PublicId()
    kind = Choices(Qualification.Kind.choices, read_only=True)
    name = serializers.CharField(max_length=120)
    description = serializers.CharField(max_length=2000, allow_blank=True, required=False)


class ListedWorkers(Strict):
    """Workers by pseudonym, or the same as CSV: one a line."""

    workers = serializers.ListField(child=serializers.CharField(max_length=40), required=False, default=list)
    csv = serializers.CharField(required=False, allow_blank=True, default="", trim_whitespace=False)


class Scored(Strict):
    worker = serializers.CharField(max_length=40, help_text="The organisation's pseudonym of the worker.")
    score = serializers.FloatField(default=1.0, min_value=-1e9, max_value=1e9)


class NewGrants(Strict):
    """Workers with their scores, or the same as CSV: `worker,score` a line."""

    grants = Scored(many=True, required=False, default=list)
    csv = serializers.CharField(required=False, allow_blank=True, default="", trim_whitespace=False)
    days = serializers.IntegerField(required=False, allow_null=True, default=None, min_value=1, max_value=3650)


class GrantSerializer(Strict):
    """A grant as the organisation sees it."""

    worker = serializers.SerializerMethodField()
    score = serializers.FloatField()
    origin = Choices(Grant.Origin.choices)
    granted_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)
    ended_because = serializers.CharField()

    def get_worker(self, grant: Grant) -> str:
        return self.context["organisation"].pseudonym(grant.worker.public_id)


class GivenSerializer(Strict):
    granted = serializers.IntegerField()


class RevokeSerializer(Strict):
    worker = serializers.CharField(max_length=40)
    reason = serializers.CharField(max_length=2000, help_text="The worker reads it.")


class GroupSerializer(Strict):
    id = PublicId()
    name = serializers.CharField(max_length=120)
    kind = Choices(Group.Kind.choices, default=Group.Kind.LIST)


class GroupMemberSerializer(Strict):
    worker = serializers.SerializerMethodField()
    added_at = serializers.DateTimeField()

    def get_worker(self, member: GroupMember) -> str:
        return self.context["organisation"].pseudonym(member.worker.public_id)


class AddedSerializer(Strict):
    added = serializers.IntegerField()


class OneWorker(Strict):
    worker = serializers.CharField(max_length=40)


class InvitationSerializer(Strict):
    id = PublicId()
    email = serializers.EmailField()
    invited_at = serializers.DateTimeField(read_only=True)
    expires_at = serializers.DateTimeField(read_only=True)


class RequirementSerializer(Strict):
    requirement = serializers.JSONField(allow_null=True, help_text=EXPRESSION)
    groups = serializers.ListField(
        child=serializers.CharField(max_length=24),
        required=False,
        default=list,
        max_length=100,
        help_text="For these alone: to others the project does not exist. Empty: for everybody.",
    )


class RequirementTold(Strict):
    requirement = serializers.JSONField(allow_null=True)
    groups = serializers.ListField(child=serializers.CharField())
    sentences = serializers.ListField(child=serializers.CharField(), help_text="As workers read it.")
    qualifying = serializers.IntegerField(help_text="How many workers of the site meet it now.")


class TierSerializer(Strict):
    qualification = serializers.CharField(max_length=24)
    price_micros = serializers.IntegerField(help_text="Above the project's own.")


class TiersSerializer(Strict):
    tiers = TierSerializer(many=True)


class ProfileSerializer(Strict):
    languages = serializers.DictField(
        child=serializers.CharField(max_length=2, allow_blank=True),
        required=False,
        help_text="ISO 639-1 code -> level (A1 to C2), or empty.",
    )
    country = serializers.CharField(max_length=2, allow_blank=True, required=False, help_text="ISO 3166-1 alpha-2.")


class ShareSerializer(Strict):
    approved = serializers.IntegerField()
    rejected = serializers.IntegerField()
    share = serializers.FloatField(allow_null=True, help_text="Null: too few are decided for good.")
    low = serializers.FloatField(help_text="The 5 % point of what the share may be.")
    high = serializers.FloatField(help_text="The 95 % point.")


class StatedProfile(ProfileSerializer):
    of_age = serializers.BooleanField(required=False, help_text="True: that you are old enough to be paid.")


class ToldProfile(ProfileSerializer):
    of_age_at = serializers.DateTimeField(allow_null=True, help_text="When you said that you are old enough.")
    may_earn = serializers.ListField(
        child=serializers.CharField(), help_text="What we can pay you, as live:USD; play money anybody may earn."
    )
    record = ShareSerializer()


class MyGrantSerializer(Strict):
    qualification = QualificationSerializer()
    organisation = serializers.SerializerMethodField()
    score = serializers.FloatField()
    origin = Choices(Grant.Origin.choices)
    granted_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)
    ended_because = serializers.CharField()

    def get_organisation(self, grant: Grant) -> str:
        asked = grant.qualification
        home = asked.organisation or (asked.project and asked.project.organisation)
        return home.name if home else ""


class MyGroupSerializer(Strict):
    id = PublicId(source="group.public_id")
    name = serializers.CharField(source="group.name")
    kind = Choices(Group.Kind.choices, source="group.kind")
    organisation = serializers.CharField(source="group.organisation.name", default="")
    added_at = serializers.DateTimeField()


class MyInvitationSerializer(Strict):
    id = PublicId()
    group = serializers.CharField(source="group.name")
    organisation = serializers.CharField(source="group.organisation.name", default="")
    expires_at = serializers.DateTimeField()


class AskSerializer(Strict):
    statement = serializers.CharField(max_length=2000, help_text="What you have, and how it can be checked.")


class MyCredentialRequest(Strict):
    id = PublicId()
    credential = serializers.CharField(source="qualification.public_id")
    name = serializers.CharField(source="qualification.name")
    state = Choices(CredentialRequest.State.choices)
    statement = serializers.CharField()
    asked_at = serializers.DateTimeField()
    decided_at = serializers.DateTimeField(allow_null=True)
    reason = serializers.CharField()


class CredentialRequestSerializer(MyCredentialRequest):
    worker = serializers.CharField(source="worker.public_id")


class VerifySerializer(Strict):
    reason = serializers.CharField(max_length=2000, required=False, allow_blank=True, default="")
    days = serializers.IntegerField(required=False, allow_null=True, default=None, min_value=1, max_value=3650)


class DeclineSerializer(Strict):
    reason = serializers.CharField(max_length=2000, help_text="The worker reads it.")
