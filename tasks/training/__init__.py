"""How workers are taught and tested before paid work: lessons, practice with feedback, exams without."""

from tasks.training.effort import Effort, efforts, problems
from tasks.training.exams import Result, Stand, end_exam, finish_exam, rescore, rescore_with, result, sit, stand
from tasks.training.lessons import acknowledge, progress, read, unread
from tasks.training.practice import Feedback, Marked, check, feedback, finish_practice, marks, start, status

__all__ = [
    "Effort",
    "Feedback",
    "Marked",
    "Result",
    "Stand",
    "acknowledge",
    "check",
    "efforts",
    "end_exam",
    "feedback",
    "finish_exam",
    "finish_practice",
    "marks",
    "problems",
    "progress",
    "read",
    "rescore",
    "rescore_with",
    "result",
    "sit",
    "stand",
    "start",
    "status",
    "unread",
]
