"""People who work, and what the evidence says of them."""

from typing import Self

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from marketplace.core import clock
from marketplace.core.ids import PublicIdField
from marketplace.core.states import known
from marketplace.models import Organisation, Project, User


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
    languages = models.JSONField(
        default=dict,
        db_default=models.Value({}, models.JSONField()),
        blank=True,
        help_text="ISO 639-1 code -> level, or empty; as stated.",
    )
    country = models.CharField(max_length=2, blank=True, db_default="", help_text="ISO 3166-1 alpha-2, as stated.")
    of_age_at = models.DateTimeField(null=True, help_text="When they stated that they are old enough to be paid.")
    may_earn = ArrayField(
        models.CharField(max_length=12),
        default=list,
        db_default=models.Value("{}"),
        help_text="What we can pay this person, as live:USD; derived, and read by the claim.",
    )
    kin = ArrayField(
        models.BigIntegerField(),
        default=list,
        db_default=models.Value("{}"),
        help_text="Users who are paid to the same place; derived. Work for their organisations is own work.",
    )

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


class QualificationQuerySet(models.QuerySet["Qualification"]):
    def of_organisation(self, organisation: Organisation) -> Self:
        """Those it may grant, or ask for: its own, those of its projects, and the site's credentials."""
        own = Q(organisation=organisation) | Q(project__organisation=organisation)
        return self.filter(own | Q(kind=Qualification.Kind.SITE))

    def visible_to(self, user: User) -> Self:
        """Those of the organisations of which the user is a member."""
        homes = Organisation.objects.visible_to(user)
        return self.filter(Q(organisation__in=homes) | Q(project__organisation__in=homes))


class Qualification(models.Model):
    """Something a worker can show: of a project, by its practice or exam; of an organisation; or of the site."""

    class Kind(models.TextChoices):
        PROJECT = "project"
        ORGANISATION = "organisation"
        SITE = "site"  # a credential: an admin has verified it

    public_id = PublicIdField("qua")
    kind = models.CharField(max_length=12, choices=Kind, default=Kind.PROJECT)
    project = models.OneToOneField(Project, models.CASCADE, null=True, related_name="qualification")
    organisation = models.ForeignKey(Organisation, models.CASCADE, null=True, related_name="qualifications")
    name = models.CharField(max_length=120)
    description = models.TextField(blank=True)

    objects = QualificationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(kind="project", project__isnull=False, organisation=None)
                | Q(kind="organisation", project=None, organisation__isnull=False)
                | Q(kind="site", project=None, organisation=None),
                name="qualification_of_one",
            ),
            models.UniqueConstraint(
                fields=["organisation", "name"],
                condition=~Q(kind="project"),
                nulls_distinct=False,
                name="qualification_name_once",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Grant(models.Model):
    """A qualification shown by a worker, with the score that showed it. One that ended stays, and may be restored."""

    class Origin(models.TextChoices):
        PRACTICE = "practice"
        EXAM = "exam"
        MEMBER = "member", "given by the organisation"
        VERIFIED = "verified", "verified by an admin"

    worker = models.ForeignKey(Worker, models.CASCADE, related_name="grants")
    qualification = models.ForeignKey(Qualification, models.CASCADE, related_name="grants", db_index=False)
    score = models.FloatField()
    origin = models.CharField(max_length=10, choices=Origin, default=Origin.PRACTICE, db_default="practice")
    granted_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    granted_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    renewed_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    ended_because = models.TextField(blank=True, db_default="")
    restored_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(origin__in=["practice", "exam", "member", "verified"]), name="grant_origin_known"
            ),
            models.UniqueConstraint(
                fields=["worker", "qualification"], condition=Q(revoked_at=None), name="grant_in_force_once"
            ),
        ]
        indexes = [models.Index(fields=["qualification", "id"], name="grant_of_qualification")]

    def __str__(self) -> str:
        return f"{self.qualification} for {self.worker}"


class CredentialRequest(models.Model):
    """A worker says they have a credential, and an admin looks; documents are not kept here."""

    class State(models.TextChoices):
        OPEN = "open"
        VERIFIED = "verified"
        DECLINED = "declined"

    MOVES = {State.OPEN: {State.VERIFIED, State.DECLINED}}

    public_id = PublicIdField("crq")
    worker = models.ForeignKey(Worker, models.CASCADE, related_name="credential_requests", db_index=False)
    qualification = models.ForeignKey(Qualification, models.CASCADE, related_name="requests")
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    statement = models.TextField()
    asked_at = models.DateTimeField()
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True)
    reason = models.TextField(blank=True)

    class Meta:
        constraints = [
            known("credentialrequest", ["open", "verified", "declined"]),
            models.UniqueConstraint(
                fields=["worker", "qualification"], condition=Q(state="open"), name="credential_request_open_once"
            ),
        ]
        indexes = [
            models.Index(fields=["worker", "id"], name="credential_request_of_worker"),
            models.Index(fields=["id"], condition=Q(state="open"), name="credential_request_waiting"),
        ]

    def __str__(self) -> str:
        return self.public_id


class GroupQuerySet(models.QuerySet["Group"]):
    def of_organisation(self, organisation: Organisation) -> Self:
        """Those it may ask for: its own, and the site's."""
        return self.filter(Q(organisation=organisation) | Q(organisation=None))

    def visible_to(self, user: User) -> Self:
        return self.filter(organisation__in=Organisation.objects.visible_to(user))


class Group(models.Model):
    """Workers whom an organisation, or the site, has put together: its own people, a vendor's, or a list."""

    class Kind(models.TextChoices):
        PRIVATE = "private", "private workforce"
        VENDOR = "vendor"
        LIST = "list"

    public_id = PublicIdField("grp")
    organisation = models.ForeignKey(Organisation, models.CASCADE, null=True, related_name="groups")
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.LIST)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = GroupQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=["private", "vendor", "list"]), name="group_kind_known"),
            models.UniqueConstraint(fields=["organisation", "name"], nulls_distinct=False, name="group_name_once"),
        ]

    def __str__(self) -> str:
        return self.name


class GroupMember(models.Model):
    """That a worker belongs to a group, until they leave or are taken out; the row stays."""

    group = models.ForeignKey(Group, models.CASCADE, related_name="memberships", db_index=False)
    worker = models.ForeignKey(Worker, models.CASCADE, related_name="memberships", db_index=False)
    added_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    added_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["worker", "group"], condition=Q(removed_at=None), name="group_member_once"),
        ]
        indexes = [models.Index(fields=["group", "id"], name="group_member_of_group")]

    def __str__(self) -> str:
        return f"{self.worker} in {self.group}"


class Invitation(models.Model):
    """An address that was asked into a group; the address goes when it is used, withdrawn or over."""

    public_id = PublicIdField("inv")
    group = models.ForeignKey(Group, models.CASCADE, related_name="invitations")
    email = models.EmailField(blank=True)
    invited_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    invited_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["group", "email"], condition=~Q(email=""), name="invitation_open_once"),
        ]
        indexes = [
            models.Index(fields=["email"], condition=~Q(email=""), name="invitation_open"),
            models.Index(fields=["expires_at"], condition=~Q(email=""), name="invitation_ends"),
        ]

    def __str__(self) -> str:
        return self.public_id


class Audience(models.Model):
    """That a project is for this group; a project with any is for nobody else."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="audiences", db_index=False)
    group = models.ForeignKey(Group, models.CASCADE, related_name="+")
    since = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "group"], condition=Q(ended_at=None), name="audience_once"),
        ]

    def __str__(self) -> str:
        return f"{self.project} for {self.group}"


class Record(models.Model):
    """How many of a worker's answers were decided for good, in one organisation; without one: on the whole site.

    Derived: `tasks.totals.recount` gives the same from the answers and decisions alone.
    """

    worker = models.ForeignKey(Worker, models.CASCADE, related_name="records", db_index=False)
    organisation = models.ForeignKey(Organisation, models.CASCADE, null=True, related_name="+")
    approved = models.BigIntegerField(default=0, help_text="Accepted or excluded, and paid.")
    rejected = models.BigIntegerField(default=0, help_text="Rejected, and no longer to be contested.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["worker", "organisation"], nulls_distinct=False, name="record_once"),
            models.CheckConstraint(condition=Q(approved__gte=0, rejected__gte=0), name="record_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.worker}: {self.approved} of {self.approved + self.rejected}"


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


class SelfDescription(models.Model):
    """What a worker freely says of themself, to be counted over groups alone; deleted when they withdraw it."""

    worker = models.ForeignKey(Worker, models.CASCADE, related_name="+", db_index=False)
    question = models.CharField(max_length=20)
    choice = models.CharField(max_length=20)
    consented_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["worker", "question"], name="selfdescription_once"),
            models.CheckConstraint(condition=~Q(choice=""), name="selfdescription_said"),
        ]

    def __str__(self) -> str:
        return self.question  # not what was said: this may come into a log


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
