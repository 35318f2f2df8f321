"""The agent: eyes, circuits, policy, learning. It is told observations, never which game it is."""

from lifelong_agent.agent import LifelongAgent
from lifelong_agent.policy import DualStreamNetwork, DualStreamPolicy, NetworkConfig
from lifelong_agent.ppo import LifelongPPO, PPOConfig
from lifelong_agent.records import Decision, GameSummary, Record

__all__ = [
    "Decision",
    "DualStreamNetwork",
    "DualStreamPolicy",
    "GameSummary",
    "LifelongAgent",
    "LifelongPPO",
    "NetworkConfig",
    "PPOConfig",
    "Record",
]
