"""The work: what is bought, who leased it, what was answered, and what was decided about it."""

from tasks.models.batches import Batch, Figures, Mark, Tally
from tasks.models.bonuses import Bonus
from tasks.models.consolidations import Aggregator, Consolidation, Look
from tasks.models.decisions import (
    Appeal,
    Conduct,
    Decision,
    DecisionEvidence,
    Evidence,
    EvidenceVoid,
    Firing,
    Rule,
    Statement,
    Withheld,
)
from tasks.models.gold import Gold, GoldChange, GoldContest
from tasks.models.labels import Consensus, ConsensusChange, Fit, Touch
from tasks.models.messages import Conversation, Message, Report
from tasks.models.pay import PayFigures, TimeSheet, TopUp, TopUpProposal
from tasks.models.reopenings import Reopening
from tasks.models.reviews import Review
from tasks.models.training import Cohort, CohortAnswer, CohortItem, CohortPlace, LessonRead
from tasks.models.work import BEGINNING, Answer, Assignment, Cursor, Task

__all__ = [
    "BEGINNING",
    "Aggregator",
    "Answer",
    "Appeal",
    "Assignment",
    "Batch",
    "Bonus",
    "Cohort",
    "CohortAnswer",
    "CohortItem",
    "CohortPlace",
    "Conduct",
    "Consensus",
    "ConsensusChange",
    "Consolidation",
    "Conversation",
    "Cursor",
    "Decision",
    "DecisionEvidence",
    "Evidence",
    "EvidenceVoid",
    "Figures",
    "Firing",
    "Fit",
    "Gold",
    "GoldChange",
    "GoldContest",
    "LessonRead",
    "Look",
    "Mark",
    "Message",
    "PayFigures",
    "Reopening",
    "Report",
    "Review",
    "Rule",
    "Statement",
    "Tally",
    "Task",
    "TimeSheet",
    "TopUp",
    "TopUpProposal",
    "Touch",
    "Withheld",
]
