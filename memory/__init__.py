"""The memory: what happened, what it taught, and which strategies came of it. It knows no game."""

from memory.acquaintances import Acquaintances, Impression, Likeness
from memory.advice import AdviceConfig, advise
from memory.credit import Answer, CreditConfig
from memory.database import MemoryBusyError, MemoryDamagedError
from memory.hippocampus import Hippocampus
from memory.lines import NO_WAY, Lines, Way, take
from memory.recollection import Advice, Recall
from memory.reembedding import Encoder
from memory.sleep import SleepReport, Woken, sleep
from memory.store import Store
from memory.strategies import Strategy
from memory.tactics import Tactician, bend
from memory.traces import Episode, Recalled, Trace, fingerprint

__all__ = [
    "NO_WAY",
    "Acquaintances",
    "Advice",
    "AdviceConfig",
    "Answer",
    "CreditConfig",
    "Encoder",
    "Episode",
    "Hippocampus",
    "Impression",
    "Likeness",
    "Lines",
    "MemoryBusyError",
    "MemoryDamagedError",
    "Recall",
    "Recalled",
    "SleepReport",
    "Store",
    "Strategy",
    "Tactician",
    "Trace",
    "Way",
    "Woken",
    "advise",
    "bend",
    "fingerprint",
    "sleep",
    "take",
]
