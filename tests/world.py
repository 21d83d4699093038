"""One row of everything: Rita's organisation, Wes's work in it, and what was decided about that."""

from dataclasses import dataclass
from datetime import timedelta

from marketplace import accounts, guidelines, lessons
from marketplace.core import clock
from marketplace.models import ApiKey, Dataset, Import, Lesson, Membership, Organisation, Project, User
from payments import payout_accounts, payouts, prepayments, refunds
from payments.models import Invoice, Payout, Prepayment, Refund, Transfer
from tasks import (
    appeals,
    assignments,
    cohorts,
    consolidations,
    conversations,
    decisions,
    record,
    reports,
    reviews,
    rules,
)
from tasks.models import (
    Answer,
    Appeal,
    Assignment,
    Batch,
    Cohort,
    Consensus,
    Conversation,
    Decision,
    Message,
    Report,
    Review,
    Rule,
    Task,
    TopUpProposal,
)
from tests import make
from tests.payments import made
from tests.tasks import paid, work
from workers import credentials, groups, notices, profiles, qualifications
from workers import guidelines as read
from workers.models import CredentialRequest, Group, Invitation, Notice, Qualification, Worker


@dataclass(frozen=True)
class World:
    """Who there is, and what of theirs an address may name."""

    rita: User  # owner of the organisation
    max: User  # its manager
    rosa: User  # its reviewer
    wes: User  # worked for it
    olga: User  # owner of another organisation
    sam: User  # a stranger
    ada: User  # an admin

    organisation: Organisation
    membership: Membership  # Max's
    key: ApiKey  # Rita's
    project: Project
    dataset: Dataset
    run: Import
    batch: Batch
    lease: Assignment  # Wes's, open
    practice: Assignment  # Wes's, passed
    answer: Answer  # nobody has decided about it
    decision: Decision  # Wes has not contested it
    appeal: Appeal  # Wes's, against another decision
    payout: Payout  # Wes's
    prepayment: Prepayment  # of the organisation, so old that it goes back by hand
    refund: Refund  # of a part of it; an admin decides
    reviewed: Payout  # Wes's, an admin looks at it first
    conversation: Conversation  # Wes asked, Rita answered, Wes wrote again; nobody has read it
    message: Message  # Wes's first in it
    report: Report  # Wes's, about a task
    notice: Notice  # Wes's, not read
    rule: Rule  # tried, and off
    review: Review  # of a label; Rita holds it
    done: Task  # closed, and nobody looks at it
    proposal: TopUpProposal  # to add to Wes's pay
    document: str  # Ada's signed record
    lesson: Lesson  # of the project
    cohort: Cohort  # by invitation; Wes is in it
    qualification: Qualification  # the organisation's, Wes holds it
    group: Group  # Wes is in it
    invitation: Invitation  # to Wes
    credential: Qualification  # of the site
    credential_request: CredentialRequest  # Wes's
    invoice: Invoice  # the organisation's, over what Wes got two months ago
    amount: Transfer  # that

    def hidden_from(self, person: User) -> list[str]:
        """What stands in no answer to this person; offers are open to everybody."""
        offer = [self.organisation, self.key, self.dataset, self.run, self.rita, self.max, self.rosa, self.invoice]
        offer += [self.prepayment, self.refund]
        page = [self.lease, self.practice, self.payout, self.reviewed, self.wes, profiles.of(self.wes), self.report]
        page += [self.notice, self.credential_request]
        offer_marks = [row.public_id for row in offer] + [self.rita.email, self.max.email, self.rosa.email]
        page_marks = [row.public_id for row in page] + [self.wes.email]
        if person == self.wes:
            return offer_marks
        if person in (self.rita, self.max, self.rosa):
            return page_marks
        seen_by_both = [self.batch, self.answer, self.decision, self.appeal, self.conversation, self.message]
        seen_by_both += [self.cohort, self.qualification, self.group, self.invitation, self.proposal]
        seen_by_both += [self.review]
        return [*offer_marks, *page_marks, *(row.public_id for row in seen_by_both), "item 1"]


def made_by_everybody() -> World:
    """All of it, by the verbs."""
    rita, wes, ada = make.user("rita"), make.user("wes"), make.user("ada", staff=True)
    batch = work.published(items=12, gold=6, practice_size=2, gold_share=0.0, pick_column="text")
    project = Project.objects.select_related("organisation").get(pk=batch.project_id)
    home, worker = project.organisation, profiles.of(wes)
    make.organisation(make.user("olga"))
    guidelines.write(project, rita, "# Look\n\nA cat has whiskers.")
    read.acknowledge(worker, project, 1)
    practice = work.practise(worker, project)
    first = work.work(worker, batch)
    answers = list(first.answers.select_related("task", "batch", "assignment").order_by("position"))
    refused, contested = (decisions.reject(answer, rita, "wrong", "No.") for answer in answers[:2])
    made.earned(wes, 9_000_000)
    payout_accounts.make(payout_accounts.open(wes, "US").pk)
    for name in ("rosa", "max", "olga", "sam"):
        profiles.of(make.user(name))
    for person in (rita, ada):
        profiles.of(person)
    accounts.add_member(home, "rosa@example.org", "reviewer", rita)
    lease = assignments.claim(worker, project)
    asked = conversations.ask(worker, project, "Is this one?", assignment=lease, position=0)
    conversations.reply(asked, rita, "It is.")
    conversations.reply(asked, wes, "Thanks.")
    rule = rules.draft(
        *(project, rita, "Many answers", "answers", [{"figure": "total", "is": "GreaterThan", "to": 5}]),
        {"kind": "stop", "hours": 1},
    )
    rules.try_on_past(rule, rita)
    consolidations.name(project, rita, "https://localhost/labels")  # which is not public: a sample says so at once
    birds, group = qualifications.define(home, rita, "Birds"), groups.found(home, rita, "Ours")
    qualifications.give(birds, rita, [(home.pseudonym(worker.public_id), 0.9)])
    groups.add(group, rita, [home.pseudonym(worker.public_id)])
    profiles.introduce(profiles.of(make.user("olga")), home)
    two_months_ago = clock.now() - timedelta(days=62)
    made.billed(home, wes, two_months_ago)
    nurse = qualifications.define_credential(ada, "Nurse")
    prepayment = prepayments.request(home, rita, 5_000_000, "USD")
    Prepayment.objects.filter(pk=prepayment.pk).update(paid_at=clock.now() - timedelta(days=1000))
    return World(
        rita=rita,
        max=make.user("max"),
        rosa=make.user("rosa"),
        wes=wes,
        olga=make.user("olga"),
        sam=make.user("sam"),
        ada=ada,
        organisation=home,
        membership=accounts.add_member(home, "max@example.org", "manager", rita),
        key=accounts.issue_key(rita, "ci", ["offer"])[0],
        project=project,
        dataset=batch.dataset,
        run=batch.dataset.imports.get(),
        batch=batch,
        lease=lease,
        practice=practice,
        answer=answers[2],
        decision=refused,
        appeal=appeals.contest(contested, worker, "It is one."),
        qualification=birds,
        group=group,
        invitation=groups.invite(group, rita, "wes@example.org"),
        credential=nurse,
        credential_request=credentials.ask(worker, nurse, "I am one."),
        invoice=Invoice.objects.get(organisation=home),
        amount=Transfer.objects.get(credit__user=wes, created_at=two_months_ago),
        payout=payouts.request(wes, 2_000_000),
        prepayment=prepayment,
        refund=refunds.request(home, rita, 1_000_000, "USD")[0],
        reviewed=_in_review(wes),
        conversation=asked,
        message=asked.messages.order_by("pk")[0],
        report=reports.report(wes, "broken", "It is empty.", assignment=lease, position=1),
        notice=notices.tell(wes, "money", "A payout is on its way"),
        rule=rule,
        review=_in_hand(batch, rita),
        done=batch.tasks.filter(state=Task.State.CLOSED, gold=None).order_by("pk")[1],
        proposal=paid.proposed(worker, batch),
        document=record.portable(profiles.of(ada)),
        lesson=lessons.write(project, rita, "Owls", "They turn their heads."),
        cohort=_session(project, rita, worker),
    )


def _session(project: Project, rita: User, worker: Worker) -> Cohort:
    """One that runs, to which Wes was invited and came."""
    at = clock.now()
    cohort = cohorts.plan(project, rita, "Owls together", at, at + timedelta(hours=1), 2, is_open=False)
    cohorts.invite(cohort, rita, [profiles.introduce(worker, project.organisation)])
    cohorts.begin(cohort, rita)
    cohorts.join(cohort, worker)
    return cohort


def _in_hand(batch: Batch, rita: User) -> Review:
    """A label of the first of two tasks that are closed, as if nobody were to be asked more."""
    answered = batch.tasks.filter(gold=None, answers__state="submitted").order_by("pk").values_list("pk", flat=True)
    ready = list(
        batch.tasks.filter(gold=None).exclude(pk__in=answered).order_by("-pk").values_list("pk", flat=True)[:2]
    )
    Task.objects.filter(pk__in=ready).update(state=Task.State.CLOSED)
    Consensus.objects.create(
        task_id=min(ready),
        field="animal",
        value="cat",
        code=0,
        support=1,
        method="test",
        version="1",
        updated_at=clock.now(),
    )
    reviews.ask(batch, [min(ready)], "suspected", rita)
    return reviews.next_for(batch.project, rita)


def _in_review(user: User) -> Payout:
    """A payout that an admin looks at first; play money needs none, so it is told."""
    payout = payouts.request(user, 1_000_000)
    Payout.objects.filter(pk=payout.pk).update(state=Payout.State.REVIEW, review_because="The first one.")
    return Payout.objects.get(pk=payout.pk)
