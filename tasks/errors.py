"""Refusals of the work itself; each class name is a public code."""

from marketplace.core.errors import Conflict, Forbidden, Invalid


class NoTaskAvailable(Conflict):
    title = "No task available"


class GuidelineUnread(Forbidden):
    title = "Read the guideline first"


class Stopped(Forbidden):
    title = "A decision keeps you from this work for now"


class RequirementNotMet(Forbidden):
    title = "This project asks for something that you have not shown"


class MayNotEarn(Forbidden):
    title = "We cannot pay you for this yet"


class PracticeNeeded(Forbidden):
    title = "Pass the practice or the exam first"


class PracticePassed(Conflict):
    title = "The practice is passed already"


class NoAttemptLeft(Conflict):
    title = "No attempt is left"


class LessonsUnread(Forbidden):
    title = "Read the lessons first"


class ExamTooSoon(Conflict):
    title = "The exam can be tried again later"


class ExamPassed(Conflict):
    title = "The exam is passed already"


class NotInvited(Forbidden):
    title = "This session is for those who were invited"


class WorkerSuspended(Forbidden):
    title = "This account may not work at the moment"


class OwnWork(Forbidden):
    title = "Members of an organisation do not work on its projects"


class LeaseEnded(Conflict):
    title = "The lease has ended and its seats are taken"


class AnswersInvalid(Invalid):
    title = "The answers do not fit the label schema"


class NotPublishable(Conflict):
    title = "This cannot be published yet"


class InUse(Conflict):
    title = "This item is being worked on"


class AppealClosed(Conflict):
    title = "The time to contest this is over"


class BelowCommitted(Conflict):
    title = "More than that is spent or given out already"


class OwnAnswer(Forbidden):
    title = "Nobody reviews what they answered"


class NoReviewWaiting(Conflict):
    title = "No label waits for you"
