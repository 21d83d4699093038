"""From which of two is better, or an order of several, to a score of each: numpy and scipy only."""

from tasks.aggregation.comparisons.orders import rankings
from tasks.aggregation.comparisons.pairs import fit
from tasks.aggregation.comparisons.scores import Fit, better, preferred

__all__ = ["Fit", "better", "fit", "preferred", "rankings"]
