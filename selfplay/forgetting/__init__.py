"""How much does an agent forget when the task changes? Suites, methods, metrics, report."""

from selfplay.forgetting.evaluation import Evaluation, evaluate
from selfplay.forgetting.methods import METHODS, split_methods
from selfplay.forgetting.results import Results
from selfplay.forgetting.suites import SUITES, Suite, Task, find_suite

__all__ = [
    "METHODS",
    "SUITES",
    "Evaluation",
    "Results",
    "Suite",
    "Task",
    "evaluate",
    "find_suite",
    "split_methods",
]
