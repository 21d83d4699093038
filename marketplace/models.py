"""The offer: who asks, for what, about which items."""

import hashlib
from typing import Any, Self

from django.conf import settings
from django.contrib.auth.base_user import BaseUserManager
from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone

from marketplace.core.errors import IllegalMove
from marketplace.core.ids import PublicIdField, new
from marketplace.core.states import known


class Mode(models.TextChoices):
    """Which kind of money: play money, the provider's test money, or real money; never mixed."""

    SANDBOX = "sandbox"
    TEST = "test"
    LIVE = "live"


class UserManager(BaseUserManager["User"]):
    """Django's contract for making users by email address."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email=(username or "").lower())


class User(AbstractUser):
    """A person who signs in; with `is_staff`, an admin. Names and addresses stand nowhere else."""

    username = None  # type: ignore[assignment]
    first_name = None  # type: ignore[assignment]
    last_name = None  # type: ignore[assignment]
    public_id = PublicIdField("usr")
    email = models.EmailField(unique=True)
    name = models.CharField(max_length=120, blank=True)
    erased_at = models.DateTimeField(null=True, editable=False, help_text="The person is gone; the key stays.")

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS = []
    objects = UserManager()  # type: ignore[assignment, misc]

    def __str__(self) -> str:
        return self.name or self.public_id

    @property
    def is_confirmed(self) -> bool:
        """Whether the person has shown that an address is theirs."""
        return self.emailaddress_set.filter(verified=True).exists()  # type: ignore[attr-defined]


class OrganisationQuerySet(models.QuerySet["Organisation"]):
    def visible_to(self, user: User) -> Self:
        return self.filter(memberships__user=user)


def _salt() -> str:
    return new("salt")


class Organisation(models.Model):
    """Who asks and pays."""

    public_id = PublicIdField("org")
    name = models.CharField(max_length=120)
    pseudonym_salt = models.CharField(max_length=24, default=_salt, editable=False)
    frozen_at = models.DateTimeField(null=True, blank=True, help_text="Its work stops at the next claim.")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = OrganisationQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name

    def pseudonym(self, worker: str) -> str:
        """The name under which this organisation, and no other, knows the worker with this public id."""
        return "w_" + hashlib.sha256(f"{self.pseudonym_salt}:{worker}".encode()).hexdigest()[:16]


class Role(models.TextChoices):
    OWNER = "owner"  # money and members too
    MANAGER = "manager"  # projects and data too
    REVIEWER = "reviewer"  # sees the work and decides on answers


class Membership(models.Model):
    organisation = models.ForeignKey(Organisation, models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organisation", "user"], name="membership_once"),
            models.CheckConstraint(condition=Q(role__in=Role.values), name="membership_role_known"),
        ]

    def __str__(self) -> str:
        return f"{self.role} of {self.organisation}"


class ApiKey(models.Model):
    """A secret for programs: only its hash is kept, and it can do no more than its scopes."""

    class Scope(models.TextChoices):
        OFFER = "offer"  # organisations, projects, data, money of organisations
        WORK = "work"  # claim, submit, earnings
        ADMIN = "admin"  # settle disputes, for staff

    public_id = PublicIdField("key")
    user = models.ForeignKey(User, models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=80)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    scopes = ArrayField(models.CharField(max_length=10, choices=Scope))
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.name


class ProjectQuerySet(models.QuerySet["Project"]):
    def visible_to(self, user: User) -> Self:
        return self.filter(organisation__memberships__user=user)

    def offered(self) -> Self:
        """Open to workers: published, not paused, its organisation not frozen."""
        return self.filter(state=Project.State.OPEN, organisation__frozen_at=None)


class RedundancyBy(models.TextChoices):
    """What decides which tasks get more answers than the least."""

    CONFIDENCE = "confidence"  # each until it is sure enough
    BUDGET = "budget"  # those to which an answer is worth most, as far as the money goes


def usual_top_up() -> int:
    return int(settings.TOP_UP_MOST_PERCENT)


class Project(models.Model):
    """A question about data, with its price and the confidence wanted."""

    class State(models.TextChoices):
        DRAFT = "draft"
        OPEN = "open"
        PAUSED = "paused"
        CLOSED = "closed"

    MOVES = {
        State.DRAFT: {State.OPEN, State.CLOSED},
        State.OPEN: {State.PAUSED, State.CLOSED},
        State.PAUSED: {State.OPEN, State.CLOSED},
    }

    public_id = PublicIdField("prj")
    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="projects")
    title = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.DRAFT)
    mode = models.CharField(max_length=10, choices=Mode)
    currency = models.CharField(max_length=3, default="USD")
    schema = models.JSONField(default=dict)
    schema_version = models.PositiveIntegerField(default=1)
    price_micros = models.BigIntegerField()
    redundancy_min = models.PositiveSmallIntegerField(default=3)
    redundancy_max = models.PositiveSmallIntegerField(default=3)
    redundancy_by = models.CharField(max_length=10, choices=RedundancyBy, default=RedundancyBy.CONFIDENCE)
    target_confidence = models.FloatField(default=0.99)
    ask_experts = models.BooleanField(default=True, help_text="Unsure tasks ask for people who know their classes.")
    page_size = models.PositiveSmallIntegerField(default=10)
    lease_s = models.PositiveIntegerField(default=1800)
    accept_after_s = models.PositiveIntegerField(default=3 * 24 * 3600)
    appeal_window_s = models.PositiveIntegerField(default=14 * 24 * 3600)
    gold_share = models.FloatField(default=0.1)
    practice_size = models.PositiveSmallIntegerField(default=0)
    pass_mark = models.FloatField(default=0.8)
    exam_size = models.PositiveSmallIntegerField(default=0)
    exam_pass_mark = models.FloatField(default=0.8)
    exam_s = models.PositiveIntegerField(default=900)
    exam_attempts = models.PositiveSmallIntegerField(default=3)
    exam_cooldown_s = models.PositiveIntegerField(default=3600)
    exam_price_micros = models.BigIntegerField(default=0, help_text="Of a whole exam; 0: it is not paid.")
    exam_paid_most = models.PositiveIntegerField(default=0, help_text="Paid exams that a batch buys.")
    expected_s = models.PositiveIntegerField(default=30, help_text="Seconds a task, until they are measured.")
    pay_floor_micros = models.BigIntegerField(default=0, help_text="What an hour is to pay at least; 0: no floor.")
    top_up_most_percent = models.PositiveSmallIntegerField(
        default=usual_top_up, help_text="Of an answer's price: what may be added to reach the floor."
    )
    pilot_size = models.PositiveIntegerField(default=0, help_text="Items of the first batch; 0: no pilot.")
    pilot_agreement = models.FloatField(default=0.7, help_text="What a pilot must reach.")
    review_share = models.FloatField(default=0, help_text="Of the labels, drawn at random to be looked at.")
    review_unsure = models.FloatField(default=0, help_text="Labels less sure than this are looked at; 0: none.")
    review_verdicts = models.PositiveSmallIntegerField(default=1, help_text="First looks that a label gets.")
    pick_column = models.CharField(max_length=80, blank=True)
    grant_days = models.PositiveSmallIntegerField(default=0, help_text="How long a passed test counts; 0: for good.")
    grant_accuracy = models.FloatField(default=0, help_text="The accuracy that a passed test lives by; 0: by none.")
    requirement = models.JSONField(null=True, help_text="Who may work here; null: everybody.")
    is_private = models.BooleanField(default=False, help_text="For its groups alone; to others it does not exist.")
    tiers = models.JSONField(default=list, help_text="Higher prices for those who hold a qualification.")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ProjectQuerySet.as_manager()

    class Meta:
        constraints = [
            known("project", ["draft", "open", "paused", "closed"]),
            models.CheckConstraint(condition=Q(mode__in=Mode.values), name="project_mode_known"),
            models.CheckConstraint(condition=Q(price_micros__gt=0), name="project_price_positive"),
            models.CheckConstraint(
                condition=Q(redundancy_by__in=RedundancyBy.values), name="project_redundancy_by_known"
            ),
            models.CheckConstraint(
                condition=Q(redundancy_min__gte=1) & Q(redundancy_max__gte=models.F("redundancy_min")),
                name="project_redundancy_ordered",
            ),
        ]
        indexes = [
            models.Index(fields=["id"], condition=Q(state="open"), name="project_open"),
        ]

    def __str__(self) -> str:
        return self.title

    def lock_unless_closed(self) -> None:
        """Take the row as it is now, and keep it until the transaction ends.

        raises  IllegalMove  a closed project stays as it is
        """
        self.refresh_from_db(from_queryset=Project.objects.select_for_update(no_key=True))
        if self.state == Project.State.CLOSED:
            raise IllegalMove("a closed project stays as it is", state=str(self.state))


class Guideline(models.Model):
    """One version of what workers are told, in Markdown; never edited."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="guidelines")
    version = models.PositiveIntegerField()
    text = models.TextField()
    created_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "version"], name="guideline_version_once")]
        ordering = ["-version"]

    def __str__(self) -> str:
        return f"{self.project} v{self.version}"


class GuidelineExample(models.Model):
    """An item shown with a guideline, answered and explained; it belongs to its version. Append-only."""

    class Kind(models.TextChoices):
        EXAMPLE = "example"
        COUNTEREXAMPLE = "counterexample"  # its answer is the wrong one that people give

    guideline = models.ForeignKey(Guideline, models.PROTECT, related_name="examples", db_index=False)
    position = models.PositiveSmallIntegerField()
    kind = models.CharField(max_length=14, choices=Kind)
    payload = models.JSONField(help_text="What is shown, by column.")
    value = models.JSONField(help_text="The answer, in the shape of the label schema.")
    explanation = models.TextField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["guideline", "position"], name="guidelineexample_position_once"),
            models.CheckConstraint(
                condition=Q(kind__in=["example", "counterexample"]), name="guidelineexample_kind_known"
            ),
        ]
        ordering = ["position"]

    def __str__(self) -> str:
        return f"{self.kind} {self.position + 1}"


class LessonQuerySet(models.QuerySet["Lesson"]):
    def visible_to(self, user: User) -> Self:
        return self.filter(project__organisation__memberships__user=user)

    def current(self) -> Self:
        """Those that are to be read, in their order."""
        return self.filter(retired_at=None).order_by("position", "pk")


class Lesson(models.Model):
    """A short page that workers read before they practise; its text is never edited, the next one takes its place."""

    public_id = PublicIdField("les")
    project = models.ForeignKey(Project, models.CASCADE, related_name="lessons", db_index=False)
    position = models.PositiveSmallIntegerField()
    title = models.CharField(max_length=200)
    text = models.TextField()
    created_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    retired_at = models.DateTimeField(null=True, blank=True)

    objects = LessonQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project", "position"], condition=Q(retired_at=None), name="lesson_position_once"
            )
        ]
        indexes = [models.Index(fields=["project", "id"], name="lesson_of_project")]

    def __str__(self) -> str:
        return self.title


class DatasetQuerySet(models.QuerySet["Dataset"]):
    def visible_to(self, user: User) -> Self:
        return self.filter(organisation__memberships__user=user)


class Dataset(models.Model):
    """Items of one organisation; each import makes its next version."""

    public_id = PublicIdField("dat")
    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="datasets")
    name = models.CharField(max_length=200)
    version = models.PositiveIntegerField(default=0, help_text="The last import that ended.")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = DatasetQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name


class Import(models.Model):
    """One file on its way into a dataset, with how far it has come."""

    class State(models.TextChoices):
        WAITING = "waiting"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    class Format(models.TextChoices):
        CSV = "csv"
        JSONL = "jsonl"

    MOVES = {
        State.WAITING: {State.RUNNING, State.FAILED},
        State.RUNNING: {State.DONE, State.FAILED},
    }

    public_id = PublicIdField("imp")
    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="imports")
    project = models.ForeignKey(
        Project, models.SET_NULL, null=True, help_text="Whose label schema checks the truth columns."
    )
    version = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    format = models.CharField(max_length=10, choices=Format)
    file = models.FileField(upload_to="imports/")
    key_column = models.CharField(max_length=80, blank=True)
    truth_columns = models.JSONField(default=dict, help_text="Column -> field whose truth it holds.")
    bytes_total = models.BigIntegerField()
    bytes_done = models.BigIntegerField(default=0)
    line = models.BigIntegerField(default=0, help_text="The last line that is in the dataset or reported.")
    header = models.JSONField(null=True)
    good = models.BigIntegerField(default=0)
    duplicates = models.BigIntegerField(default=0)
    bad = models.BigIntegerField(default=0)
    failure = models.TextField(blank=True)
    created_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            known("import", ["waiting", "running", "done", "failed"]),
            models.UniqueConstraint(fields=["dataset", "version"], name="import_version_once"),
        ]

    def __str__(self) -> str:
        return f"{self.dataset} v{self.version}"


class BadRow(models.Model):
    """A row that could not be taken: which line, which column, and what was expected."""

    import_run = models.ForeignKey(Import, models.CASCADE, related_name="bad_rows")
    line = models.BigIntegerField()
    column = models.CharField(max_length=200, blank=True)
    code = models.CharField(max_length=40)
    message = models.TextField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["import_run", "line"], name="badrow_line_once")]
        ordering = ["line"]

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}"


class Item(models.Model):
    """One distinct payload of a dataset; equal rows are the same item."""

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="items", db_index=False)
    content_hash = models.BinaryField(max_length=32)
    payload = models.JSONField()
    truth = models.JSONField(null=True, help_text="Field -> known right value.")
    version = models.PositiveIntegerField(help_text="The import that brought it first.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["dataset", "content_hash"], name="item_content_once"),
        ]
        indexes = [models.Index(fields=["dataset", "id"], name="item_in_order")]

    def __str__(self) -> str:
        return f"item {self.pk}"


class ItemAlias(models.Model):
    """A requester's own key for an item; several keys may mean the same item."""

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="+", db_index=False)
    version = models.PositiveIntegerField()
    key = models.CharField(max_length=200)
    item = models.ForeignKey(Item, models.CASCADE, related_name="aliases")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["dataset", "version", "key"], name="itemalias_key_once"),
        ]

    def __str__(self) -> str:
        return self.key


class AuditEvent(models.Model):
    """Who did what to which row; keys, never names or addresses. Append-only."""

    at = models.DateTimeField(default=timezone.now)
    actor_id = models.BigIntegerField(null=True, help_text="User, or nobody: a sweep.")
    verb = models.CharField(max_length=60)
    target_type = models.CharField(max_length=40)
    target_id = models.BigIntegerField()
    facts = models.JSONField(default=dict)

    class Meta:
        indexes = [models.Index(fields=["target_type", "target_id", "id"], name="auditevent_of_target")]

    def __str__(self) -> str:
        return f"{self.verb} {self.target_type} {self.target_id}"
