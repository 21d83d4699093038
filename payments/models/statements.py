"""Statements: the ledger by months, and the numbered documents that rest on it."""

from typing import Self

from django.db import models
from django.db.models import F, Q

from marketplace.core.ids import PublicIdField
from marketplace.models import Mode, Organisation, Project, User
from payments.models.ledger import Account, Reserve


class Month(models.Model):
    """A month in the operator's time zone. Once closed, nothing is booked into it any more: a trigger refuses."""

    first_day = models.DateField(unique=True)
    begins_at = models.DateTimeField(unique=True, help_text="Where the month before ends, whatever the time zone was.")
    ends_at = models.DateTimeField(unique=True)
    first_transfer = models.BigIntegerField(null=True, help_text="Its transfers lie between these keys, others too.")
    last_transfer = models.BigIntegerField(null=True)
    closed_at = models.DateTimeField(null=True)
    invoiced_to = models.BigIntegerField(default=0, help_text="The last organisation that was looked at.")
    invoiced_at = models.DateTimeField(null=True, help_text="When its last invoice was issued.")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(ends_at__gt=F("begins_at")), name="month_ends_later"),
            models.CheckConstraint(
                condition=Q(invoiced_at=None) | Q(closed_at__isnull=False), name="month_invoiced_when_closed"
            ),
        ]
        indexes = [models.Index(fields=["begins_at"], condition=Q(invoiced_at=None), name="month_to_invoice")]

    def __str__(self) -> str:
        return f"{self.first_day:%Y-%m}"


class Counting(models.Model):
    """How far the ledger is counted by months. The one row is the lock of whoever counts."""

    counted_id = models.BigIntegerField(default=0, help_text="Transfers up to this key are counted, each once.")
    counted_at = models.DateTimeField(null=True, help_text="What was booked before is counted.")
    seal_id = models.BigIntegerField(null=True, help_text="The last key given out when the seal was placed.")
    seal_xid = models.BigIntegerField(null=True, help_text="When no older transaction runs, no lower key appears.")
    sealed_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"counted to {self.counted_id}"


class Movement(models.Model):
    """What moved in a month from one account to another by entries of one kind: a kept sum of its transfers."""

    month = models.ForeignKey(Month, models.PROTECT, related_name="movements", db_index=False)
    debit = models.ForeignKey(Account, models.PROTECT, related_name="+", db_index=False)
    credit = models.ForeignKey(Account, models.PROTECT, related_name="+", db_index=False)
    kind = models.CharField(max_length=20)
    user = models.ForeignKey(User, models.PROTECT, null=True, related_name="+", db_index=False)
    organisation = models.ForeignKey(Organisation, models.PROTECT, null=True, related_name="+", db_index=False)
    amount_micros = models.BigIntegerField()
    transfers = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["month", "debit", "credit", "kind"], name="movement_once")]
        indexes = [
            models.Index(fields=["user", "month"], condition=Q(user__isnull=False), name="movement_of_user"),
            models.Index(
                fields=["organisation", "month"], condition=Q(organisation__isnull=False), name="movement_of_home"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.amount_micros}"


class MonthTotal(models.Model):
    """What went into and out of one owner's accounts of a kind in a month; the sum of all before is a balance."""

    user = models.ForeignKey(User, models.PROTECT, null=True, related_name="+", db_index=False)
    organisation = models.ForeignKey(Organisation, models.PROTECT, null=True, related_name="+", db_index=False)
    kind = models.CharField(max_length=12)
    currency = models.CharField(max_length=3)
    mode = models.CharField(max_length=10)
    month = models.ForeignKey(Month, models.PROTECT, related_name="totals", db_index=False)
    debits_micros = models.BigIntegerField(default=0)
    credits_micros = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "organisation", "kind", "currency", "mode", "month"],
                name="monthtotal_once",
                nulls_distinct=False,
            )
        ]
        indexes = [
            models.Index(
                fields=["month", "organisation"],
                condition=Q(user=None, organisation__isnull=False),
                name="monthtotal_of_home",
            ),
            models.Index(fields=["month", "user"], condition=Q(user__isnull=False), name="monthtotal_of_user"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.month_id}"


class BillingDetails(models.Model):
    """Who an organisation is on its invoices, as it says now; the only place where that is kept, and it is scrubbed."""

    organisation = models.OneToOneField(Organisation, models.PROTECT, related_name="billing_details")
    name = models.CharField(max_length=200, blank=True)
    address = models.TextField(blank=True)
    country = models.CharField(max_length=2, blank=True, help_text="ISO 3166-1 alpha-2.")
    tax_id = models.CharField(max_length=40, blank=True)
    changed_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "billing details"

    def __str__(self) -> str:
        return f"billing details of {self.organisation_id}"


class BilledTo(models.Model):
    """The same as it was when documents were issued; never changed, scrubbed when it need not be kept any longer."""

    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="+")
    name = models.CharField(max_length=200, blank=True)
    address = models.TextField(blank=True)
    country = models.CharField(max_length=2, blank=True)
    tax_id = models.CharField(max_length=40, blank=True)
    made_at = models.DateTimeField()
    scrubbed_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "billed to"
        constraints = [
            models.CheckConstraint(
                condition=Q(scrubbed_at=None) | Q(name="", address="", tax_id=""), name="billedto_scrubbed_is_empty"
            )
        ]
        indexes = [models.Index(fields=["made_at"], condition=Q(scrubbed_at=None), name="billedto_kept")]

    def __str__(self) -> str:
        return f"billed to {self.organisation_id}"


class Series(models.Model):
    """The numbers of the documents of one mode and year: as many as were issued, without a gap."""

    mode = models.CharField(max_length=10, choices=Mode)
    year = models.PositiveSmallIntegerField()
    last = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name_plural = "series"
        constraints = [models.UniqueConstraint(fields=["mode", "year"], name="series_once")]

    def __str__(self) -> str:
        return f"{self.mode} {self.year}"


class InvoiceQuerySet(models.QuerySet["Invoice"]):
    def visible_to(self, user: User) -> Self:
        return self.filter(organisation__memberships__user=user)


class Invoice(models.Model):
    """What an organisation spent in a month, or a credit note over what of that was given back. Append-only."""

    class Kind(models.TextChoices):
        INVOICE = "invoice"
        CREDIT_NOTE = "credit_note"

    PREFIX = {Mode.SANDBOX: "PLAY-", Mode.TEST: "TEST-", Mode.LIVE: ""}

    public_id = PublicIdField("inv")
    kind = models.CharField(max_length=12, choices=Kind)
    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="invoices", db_index=False)
    month = models.ForeignKey(Month, models.PROTECT, related_name="invoices", db_index=False)
    currency = models.CharField(max_length=3)
    mode = models.CharField(max_length=10, choices=Mode)
    year = models.PositiveSmallIntegerField(help_text="Of the number: the year in which it was issued.")
    number = models.PositiveIntegerField()
    billed_to = models.ForeignKey(BilledTo, models.PROTECT, related_name="invoices")
    operator_name = models.CharField(max_length=200, blank=True)
    operator_address = models.TextField(blank=True)
    operator_tax_id = models.CharField(max_length=40, blank=True)
    total_micros = models.BigIntegerField(help_text="Tax included; what the ledger moved.")
    tax_micros = models.BigIntegerField()
    issued_at = models.DateTimeField()

    objects = InvoiceQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["mode", "year", "number"], name="invoice_number_once"),
            models.UniqueConstraint(
                fields=["organisation", "month", "currency", "mode", "kind"], name="invoice_once_a_month"
            ),
            models.CheckConstraint(condition=Q(kind__in=["invoice", "credit_note"]), name="invoice_kind_known"),
            models.CheckConstraint(
                condition=Q(total_micros__gt=0, tax_micros__gte=0, tax_micros__lte=F("total_micros")),
                name="invoice_tax_within",
            ),
        ]
        indexes = [models.Index(fields=["organisation", "id"], name="invoice_of_organisation")]

    def __str__(self) -> str:
        return f"{self.PREFIX[Mode(self.mode)]}{self.year}-{self.number:06d}"

    @property
    def net_micros(self) -> int:
        return self.total_micros - self.tax_micros


class InvoiceLine(models.Model):
    """What one batch cost in one respect. Append-only."""

    invoice = models.ForeignKey(Invoice, models.PROTECT, related_name="lines", db_index=False)
    position = models.PositiveIntegerField()
    what = models.CharField(max_length=20, help_text='The kind of the entries, or "fee".')
    reserve = models.ForeignKey(Reserve, models.PROTECT, null=True, related_name="+", db_index=False)
    project = models.ForeignKey(Project, models.PROTECT, null=True, related_name="+", db_index=False)
    title = models.CharField(max_length=200, help_text="Of the project, as it was.")
    amount_micros = models.BigIntegerField()
    tax_micros = models.BigIntegerField(help_text="The part of it that is tax.")
    corrects = models.ForeignKey(
        Invoice,
        models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
        help_text="Of a credit note: what it takes back.",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["invoice", "position"], name="invoiceline_position_once"),
            models.CheckConstraint(condition=Q(amount_micros__gt=0), name="invoiceline_amount_positive"),
        ]
        indexes = [models.Index(fields=["reserve", "what", "id"], name="invoiceline_of_reserve")]
        ordering = ["position"]

    def __str__(self) -> str:
        return f"{self.title}: {self.what}"


class InvoiceTax(models.Model):
    """One tax that is included in a document. Append-only."""

    invoice = models.ForeignKey(Invoice, models.PROTECT, related_name="taxes", db_index=False)
    position = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=80)
    note = models.CharField(max_length=200, blank=True)
    rate_bp = models.PositiveIntegerField()
    base_micros = models.BigIntegerField(help_text="What it is raised on, without any tax.")
    amount_micros = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["invoice", "position"], name="invoicetax_position_once")]
        ordering = ["position"]

    def __str__(self) -> str:
        return f"{self.name} {self.rate_bp}"
