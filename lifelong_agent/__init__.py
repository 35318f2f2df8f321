"""The agent: eyes, circuits, policy, learning. It is told observations, never which game it is."""

from lifelong_agent.agent import Decision, GameSummary, LifelongAgent, Record
from lifelong_agent.policy import DualStreamNetwork, DualStreamPolicy, NetworkConfig
from lifelong_agent.ppo import LifelongPPO, PPOConfig

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
