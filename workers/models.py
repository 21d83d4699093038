"""People who work, and what the evidence says of them."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from marketplace.core import clock
from marketplace.core.ids import PublicIdField
from marketplace.core.states import known
from marketplace.models import Organisation, Project


class Worker(models.Model):
    """A person in the role of doing tasks."""

    class State(models.TextChoices):
        ACTIVE = "active"
        SUSPENDED = "suspended"
        ERASED = "erased"  # the person is gone; the key stays, for labels and pay records

    MOVES = {
        State.ACTIVE: {State.SUSPENDED, State.ERASED},
        State.SUSPENDED: {State.ACTIVE, State.ERASED},
    }

    public_id = PublicIdField("wrk")
    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.PROTECT, related_name="worker")
    state = models.CharField(max_length=10, choices=State, default=State.ACTIVE)
    joined_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [known("worker", ["active", "suspended", "erased"])]

    def __str__(self) -> str:
        return self.public_id


class Pseudonym(models.Model):
    """The name under which an organisation knows a worker, once they have met; to find the worker by it."""

    organisation = models.ForeignKey(Organisation, models.CASCADE, related_name="+", db_index=False)
    name = models.CharField(max_length=20)
    worker = models.ForeignKey(Worker, models.CASCADE, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["organisation", "name"], name="pseudonym_once")]

    def __str__(self) -> str:
        return self.name


class Qualification(models.Model):
    """Something a worker can show: here, having passed the practice of a project."""

    public_id = PublicIdField("qua")
    project = models.OneToOneField(Project, models.CASCADE, related_name="qualification")
    name = models.CharField(max_length=120)

    def __str__(self) -> str:
        return self.name


class Grant(models.Model):
    """A qualification shown by a worker, with the score that showed it."""

    worker = models.ForeignKey(Worker, models.CASCADE, related_name="grants")
    qualification = models.ForeignKey(Qualification, models.CASCADE, related_name="grants")
    score = models.FloatField()
    granted_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["worker", "qualification"], condition=Q(revoked_at=None), name="grant_in_force_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.qualification} for {self.worker}"


class Measured(models.Model):
    """How accurate somebody is: sums of the evidence, and the posterior they give.

    Old evidence weighs less: by half for every half-life. The sums weigh each piece as if seen from one fixed day, so
    that adding never touches what is there; `correct` and `judged` are what that was worth when it was last scored.
    Derived: `evidence.recount` gives the same from the evidence alone.
    """

    correct_sum = models.FloatField(default=0)
    judged_sum = models.FloatField(default=0)
    half_life_days = models.FloatField(default=0, help_text="That the sums were made with; 0: to be counted anew.")
    correct = models.FloatField(default=0, help_text="Expected number of right answers, the old ones for less.")
    judged = models.FloatField(default=0, help_text="Number of answers with evidence, the old ones for less.")
    accuracy = models.FloatField(help_text="Posterior mean.")
    accuracy_p05 = models.FloatField()
    accuracy_p95 = models.FloatField()
    scored_at = models.DateTimeField(default=clock.now, help_text="When it was last worth what is said here.")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        abstract = True


class Reliability(Measured):
    """How accurate a worker is in a project."""

    worker = models.ForeignKey(Worker, models.CASCADE, related_name="reliabilities", db_index=False)
    project = models.ForeignKey(Project, models.CASCADE, related_name="+", db_index=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["worker", "project"], name="reliability_once")]
        indexes = [
            models.Index(fields=["project", "id"], name="reliability_of_project"),
            models.Index(fields=["scored_at"], name="reliability_scored"),
        ]

    def __str__(self) -> str:
        return f"{self.worker}: {self.accuracy:.2f}"


class OverallReliability(Measured):
    """How accurate a worker is over all projects: the sums of those in each."""

    worker = models.OneToOneField(Worker, models.CASCADE, related_name="overall")

    class Meta:
        indexes = [models.Index(fields=["scored_at"], name="overallreliability_scored")]
        verbose_name_plural = "overall reliabilities"

    def __str__(self) -> str:
        return f"{self.worker}: {self.accuracy:.2f}"


class Confusion(models.Model):
    """What a worker answered to what was right, in a categorical field of a project; weighed as reliability is.

    Derived, as reliability is.
    """

    worker = models.ForeignKey(Worker, models.CASCADE, related_name="+", db_index=False)
    project = models.ForeignKey(Project, models.CASCADE, related_name="+", db_index=False)
    field = models.CharField(max_length=40)
    classes = ArrayField(models.CharField(max_length=100))
    counts = ArrayField(models.FloatField(), help_text="[truth, answer], a row after the other.")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "field", "worker"], name="confusion_once")]

    def __str__(self) -> str:
        return f"{self.worker}: {self.field}"


class Acknowledgement(models.Model):
    """That a worker said they read a version of a project's guideline. Append-only."""

    worker = models.ForeignKey(Worker, models.CASCADE, related_name="+", db_index=False)
    project = models.ForeignKey(Project, models.CASCADE, related_name="+", db_index=False)
    version = models.PositiveIntegerField()
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["worker", "project", "version"], name="acknowledgement_once")]

    def __str__(self) -> str:
        return f"{self.worker} read v{self.version}"


class Standing(models.Model):
    """What is in force for a worker because of a decision, until a time or until it is lifted."""

    class Kind(models.TextChoices):
        STOPPED = "stopped"  # is offered nothing more there
        SMALL_PAGES = "small_pages"

    worker = models.ForeignKey(Worker, models.CASCADE, related_name="standings", db_index=False)
    kind = models.CharField(max_length=12, choices=Kind)
    project = models.ForeignKey(Project, models.CASCADE, null=True, related_name="+", help_text="Null: more than one.")
    organisation = models.ForeignKey(
        Organisation, models.CASCADE, null=True, related_name="+", help_text="Null: of one project, or everywhere."
    )
    page_size = models.PositiveSmallIntegerField(null=True, help_text="With small pages: the most.")
    since = models.DateTimeField()
    until = models.DateTimeField(null=True, help_text="Null: until it is lifted.")
    lifted_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=["stopped", "small_pages"]), name="standing_kind_known"),
            models.CheckConstraint(condition=Q(project=None) | Q(organisation=None), name="standing_one_scope"),
        ]
        indexes = [models.Index(fields=["worker"], condition=Q(lifted_at=None), name="standing_in_force")]

    def __str__(self) -> str:
        return f"{self.worker}: {self.kind}"


class Notice(models.Model):
    """Something a person is told in the site, and by e-mail where they chose that."""

    public_id = PublicIdField("ntc")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="notices", db_index=False)
    kind = models.CharField(max_length=40)
    subject = models.CharField(max_length=200)
    text = models.TextField(blank=True)
    link = models.CharField(max_length=200, blank=True, help_text="A path of this site.")
    created_at = models.DateTimeField()
    shown = models.BooleanField(default=True, help_text="In the site; not: by e-mail alone, or nowhere.")
    read_at = models.DateTimeField(null=True)
    mail_at = models.DateTimeField(null=True, help_text="When to send it, again where that failed; null: never more.")
    mail_tries = models.PositiveSmallIntegerField(default=0)
    mailed_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["user", "id"], name="notice_of_user"),
            models.Index(fields=["user", "id"], condition=Q(shown=True, read_at=None), name="notice_unread"),
            models.Index(fields=["mail_at"], condition=Q(mail_at__isnull=False), name="notice_to_mail"),
            models.Index(fields=["user", "mailed_at"], condition=Q(mailed_at__isnull=False), name="notice_mailed"),
        ]

    def __str__(self) -> str:
        return self.subject


class NoticeChoice(models.Model):
    """How a person wants to be told of one kind of thing, where they did not leave it as it comes."""

    class Mail(models.TextChoices):
        AT_ONCE = "at_once"
        DAILY = "daily"
        NOT = "not"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", db_index=False)
    kind = models.CharField(max_length=40)
    mail = models.CharField(max_length=8, choices=Mail)
    shown = models.BooleanField(default=True, help_text="In the site.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "kind"], name="noticechoice_once"),
            models.CheckConstraint(condition=Q(mail__in=["at_once", "daily", "not"]), name="noticechoice_mail_known"),
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.mail}"


class ForeignRecord(models.Model):
    """What another installation signed about a worker, verified here; said by its issuer, and for a time."""

    public_id = PublicIdField("for")
    worker = models.ForeignKey(Worker, models.PROTECT, related_name="foreign_records", db_index=False)
    issuer = models.CharField(max_length=200)
    subject = models.CharField(max_length=80, help_text="The worker's id at the issuer.")
    document_id = models.CharField(max_length=80, help_text="The issuer's own id of the document.")
    facts = models.JSONField()
    issued_at = models.DateTimeField()
    verified_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["worker", "issuer", "document_id"], name="foreignrecord_once"),
        ]
        indexes = [models.Index(fields=["worker", "id"], name="foreignrecord_of_worker")]

    def __str__(self) -> str:
        return f"{self.public_id} from {self.issuer}"
