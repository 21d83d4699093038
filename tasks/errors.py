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


class PracticeNeeded(Forbidden):
    title = "Pass the practice first"


class PracticePassed(Conflict):
    title = "The practice is passed already"


class NoAttemptLeft(Conflict):
    title = "No attempt at the practice is left"


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


class AppealClosed(Conflict):
    title = "The time to contest this is over"
