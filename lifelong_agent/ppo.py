"""Proximal policy optimisation over streams of decisions, as a Stable-Baselines3 algorithm.

What is particular to SB3 (spaces, files, parameters, acting) is in `algorithm`; here is learning.
It knows neither games nor memory.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.type_aliases import MaybeCallback
from torch import Tensor, nn

from lifelong_agent import losses
from lifelong_agent.algorithm import StreamAlgorithm
from lifelong_agent.circuits import Episode
from lifelong_agent.experience import (
    Decision,
    Observation,
    Outcome,
    Recordable,
    Rollout,
    Stream,
    VecEnvStream,
    of_rows,
)
from lifelong_agent.knobs import check_knobs
from lifelong_agent.policy import Stretch, Thought, sample
from lifelong_agent.recording import Recorded, overwrite

GAZE_EVERY = 8  # steps


@dataclass(frozen=True)
class PPOConfig:
    """The knobs of learning.

    Attributes:
        num_steps: T, decisions per row and rollout.
        epochs: passes over each rollout.
        minibatches: parts of a pass; each holds whole rows.
        discount: per decision.
        trace_decay: lambda of the advantages.
        clip: of the probability ratio.
        value_weight: of the value loss.
        entropy_weight: of the entropy bonus.
        gaze_weight: of foreseeing where things will change (see `Eyes.anticipation`).
        max_grad_norm: clipping of the gradient.
        least_deviation: advantages are divided by their standard deviation, or by this if it is
            more: where rewards are rare, and about 1, noise is not learned. Small ones need less.

    Raises:
        ValueError: in one line, for a knob out of its bounds.
    """

    num_steps: int = 32
    epochs: int = 2
    minibatches: int = 4
    discount: float = 0.99
    trace_decay: float = 0.95
    clip: float = 0.2
    value_weight: float = 0.5
    entropy_weight: float = 0.01
    gaze_weight: float = 0.1
    max_grad_norm: float = 0.5
    least_deviation: float = 0.1

    def __post_init__(self) -> None:
        knobs = vars(self).copy()
        counts = {name: knobs.pop(name) for name in ("num_steps", "epochs", "minibatches")}
        shares = {name: knobs.pop(name) for name in ("discount", "trace_decay")}
        check_knobs(1, whole=True, **counts)
        check_knobs(0, 1, **shares)
        check_knobs(0, **knobs)


class LifelongPPO(StreamAlgorithm):
    """PPO with carried recurrent state and sign-aware advantages; see `StreamAlgorithm`.

    Attributes:
        recordable: whether acting and the losses are the same functions at every step, so that on
            CUDA they can be recorded once; an algorithm that adds to them says no.
    """

    config: PPOConfig
    config_class = PPOConfig
    recordable: ClassVar[bool] = True

    def learn(
        self,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int = 1,
        tb_log_name: str = "LifelongPPO",
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> LifelongPPO:
        """Learn for at least `total_timesteps` decisions."""
        total, callbacks = self._begin(
            total_timesteps, callback, reset_num_timesteps, tb_log_name, progress_bar
        )
        callbacks.on_training_start(locals(), globals())
        iteration = 0
        while self.num_timesteps < total:
            if not self.collect(callbacks):
                break
            iteration += 1
            self._update_current_progress_remaining(self.num_timesteps, total)
            self.train()
            if log_interval and iteration % log_interval == 0:
                self._log_speed()
        callbacks.on_training_end()
        return self

    def _begin(
        self, total: int, callback: MaybeCallback, fresh: bool, name: str, progress_bar: bool
    ) -> tuple[int, BaseCallback]:
        """SB3's preparations, of which the games of a stream need nothing.

        An environment begins anew where its learning does.
        """
        if self._needs_stream() or (fresh and isinstance(self.stream, VecEnvStream)):
            if self.env is None:
                raise ValueError("learn needs an environment: set_env first")
            self.rollout = None
            prepared = self._setup_learn(total, callback, fresh, name, progress_bar)
            self.stream = VecEnvStream(self.env, self.device)
        else:
            if fresh:
                self.num_timesteps = 0
            if self.env is None:
                self._last_obs = np.zeros(0)  # a stream has no environment to reset
            prepared = self._setup_learn(total, callback, False, name, progress_bar)
        assert self.stream is not None
        if self.rollout is None:
            self._allocate(self.stream)
        return prepared

    def _needs_stream(self) -> bool:
        """No stream yet, or one of an environment that `set_env` has replaced."""
        if isinstance(self.stream, VecEnvStream):
            return self.stream.env is not self.env
        return self.stream is None

    def _allocate(self, stream: Stream) -> None:
        first = stream.observe()
        glances = self.policy.network.eyes.glance(first.frames)
        self.rollout = Rollout(self.config.num_steps, first, glances)
        state = self.policy.network.initial_state(stream.num_rows)
        self.states = torch.stack([state, state], 1)
        self.start_states = self.states.clone()
        self._turn: Callable[[], tuple[Decision, Outcome]] = self._take_turn
        self._gradients: Callable[[Tensor], Tensor] = self._differentiate
        if self.recordable and self.states.is_cuda:
            self._gradients = Recorded(self._differentiate)
            if isinstance(stream, Recordable):
                chance = [self.generator, *stream.generators]
                self._turn = Recorded(self._take_turn_in_place, chance)

    @torch.no_grad()
    def collect(self, callback: BaseCallback) -> bool:
        """Play one rollout of T x N decisions; False if the callback asks to stop."""
        assert self.stream is not None
        assert self.rollout is not None
        self.policy.set_training_mode(False)
        callback.on_rollout_start()
        self.start_states.copy_(self.states)
        for t in range(self.config.num_steps):
            outcome = self._decide(t, self.stream, self.rollout)
            self.num_timesteps += self.stream.num_rows
            callback.update_locals(self._locals_of(outcome, self.rollout.actions[t]))
            if not callback.on_step():
                return False
        callback.on_rollout_end()
        return True

    def _decide(self, t: int, stream: Stream, rollout: Rollout) -> Outcome:
        decision, outcome = self._turn()
        rollout.write_decision(t, decision)
        rollout.write_outcome(t, outcome)
        return outcome

    def _take_turn_in_place(self) -> tuple[Decision, Outcome]:
        """A turn after which all tensors of the stream are where they were before."""
        assert isinstance(self.stream, Recordable)
        before = self.stream.state_dict()
        turn = self._take_turn()
        overwrite(before, self.stream.state_dict())
        self.stream.load_state_dict(before)
        return turn

    def _take_turn(self) -> tuple[Decision, Outcome]:
        """One decision in every row, and what it brought."""
        stream = self.stream
        assert stream is not None
        obs = stream.observe()
        network = self.policy.network
        rows = torch.arange(stream.num_rows, device=obs.seat.device)
        glances = network.eyes.glance(obs.frames)
        log_probs, value, state = self._think(obs, self.states[rows, obs.seat], glances)
        action = sample(log_probs, self.generator)
        log_prob = log_probs[rows, action]
        self.states[rows, obs.seat] = state
        outcome = stream.advance(action)
        outcome.reward.add_(self.config.discount * self._foregone(outcome, value))
        self.states *= (~outcome.ended).float()[:, None, None]
        return Decision(obs, glances, action, log_prob, value), outcome

    def _think(
        self, obs: Observation, states: Tensor, glances: Tensor, rows: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """What those who act make of N rows.

        Args:
            obs: what is seen.
            states: (N, S) of the seats that decide.
            glances: (N, C, g, g) uint8.
            rows: (N,) int64, ascending: which rows they are; None for all.

        Returns:
            (N, A) log-probabilities, (N,) value and (N, S) next state.
        """
        thought: Thought = self.policy.network(obs.frames, obs.legal_actions, states, glances)
        return thought.log_probs, thought.value, thought.state

    def _foregone(self, outcome: Outcome, value: Tensor) -> Tensor:
        """(N,) what was still expected where the clock ended it, which is no ending; 0 elsewhere.

        The value of the last observation; where nobody looked any more, the (N,) value before it.
        """
        if outcome.truncated is None:
            return torch.zeros_like(value) if outcome.cut is None else value * outcome.cut
        rows, last = outcome.truncated
        state = self.states[rows, last.seat]
        glances = self.policy.network.eyes.glance(last.frames)
        _, expected, _ = self._think(last, state, glances, rows)
        return torch.zeros_like(value).index_copy(0, rows, expected)

    def _locals_of(self, outcome: Outcome, actions: Tensor) -> dict[str, Any]:
        """What SB3's callbacks look for among the local variables."""
        stream = self.stream
        if not isinstance(stream, VecEnvStream):
            return {"outcome": outcome}
        dones = outcome.ended.cpu().numpy()
        self._update_info_buffer(stream.infos, dones)
        known = {"infos": stream.infos, "rewards": stream.rewards, "dones": dones}
        return known | {"outcome": outcome, "actions": actions.cpu().numpy()}

    def train(self) -> None:
        """Learn from the rollout: `epochs` passes of whole-row minibatches."""
        assert self.rollout is not None
        assert self.stream is not None
        advantages = self._advantages(self.rollout)  # in the mode, and the record, of acting
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)
        self.rollout.returns.copy_(advantages + self.rollout.value)
        self.rollout.advantage.copy_(
            losses.normalise(advantages, self.stream.groups, self.config.least_deviation)
        )
        history: list[Tensor] = []
        for rows in self._minibatches():
            parts = self._gradients(rows)
            self._descend(parts[-1])
            history.append(parts.clone())
        self._n_updates += len(history)
        self._log_losses(torch.stack(history).mean(0).tolist())

    def _differentiate(self, rows: Tensor) -> Tensor:
        """Leave the gradients of one minibatch, (M,) rows of the rollout, in the parameters.

        Returns:
            Its losses in the order of `loss_names`, of which the last is the gradient's norm.
        """
        assert self.rollout is not None
        self.policy.optimizer.zero_grad(set_to_none=not rows.is_cuda)  # a record needs them to stay
        seen = self.rollout
        parts = self._losses(seen, rows, seen.advantage[:, rows], seen.returns[:, rows])
        parts["loss"].backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self.policy.parameters(), self.config.max_grad_norm)
        self.loss_names = [*parts, "gradient_norm"]
        return torch.stack([*parts.values(), norm]).detach()

    @torch.no_grad()
    def _advantages(self, rollout: Rollout) -> Tensor:
        assert self.stream is not None
        obs = self.stream.observe()
        rows = torch.arange(self.stream.num_rows, device=obs.seat.device)
        glances = self.policy.network.eyes.glance(obs.frames)
        _, value, _ = self._think(obs, self.states[rows, obs.seat], glances)
        c = self.config
        return losses.generalised_advantages(
            rollout.reward, rollout.value, rollout.sign, rollout.ended, value,
            c.discount, c.trace_decay,
        )  # fmt: skip

    def _minibatches(self) -> Iterator[Tensor]:
        for _ in range(self.config.epochs):
            order = torch.randperm(
                self.n_envs, generator=self.generator, device=self.generator.device
            )
            num = self.config.minibatches
            if order.is_cuda and len(order) > num:  # a record fits one size: a few rows sit it out
                order = order[: len(order) // num * num]
            yield from order.chunk(num)

    def _losses(
        self, rollout: Rollout, rows: Tensor, advantages: Tensor, returns: Tensor
    ) -> dict[str, Tensor]:
        c = self.config
        (log_probs, value), *beside = self.policy.network.unroll_all(
            [self._stretch(rollout, rows), *self._beside(rows)]
        )
        log_prob = log_probs.gather(-1, rollout.actions[:, rows, None])[..., 0]
        old_log_prob = rollout.log_prob[:, rows]
        policy = self._policy_loss(log_prob, old_log_prob, advantages, rows)
        critic = losses.value_loss(value, returns)
        entropy = losses.entropy(log_probs)
        gaze = self._gaze_loss(rollout, rows)
        more = self._more_losses(log_probs, rows, *beside)
        loss = policy + c.value_weight * critic - c.entropy_weight * entropy + c.gaze_weight * gaze
        return more | {
            "loss": loss + sum(more.values()),
            "policy_loss": policy,
            "value_loss": critic,
            "entropy": entropy,
            "gaze_loss": gaze,
            "approx_kl": losses.approximate_kl(log_prob.detach(), old_log_prob),
        }

    def _policy_loss(
        self, log_prob: Tensor, old_log_prob: Tensor, advantages: Tensor, rows: Tensor
    ) -> Tensor:
        """Of (T, M) actions in (M,) rows."""
        return losses.policy_loss(log_prob, old_log_prob, advantages, self.config.clip)

    def _stretch(self, rollout: Rollout, rows: Tensor) -> Stretch:
        """(M,) rows of the rollout."""
        return Stretch(
            of_rows(rollout.frames, rows),
            of_rows(rollout.glances, rows),
            rollout.legal_actions[:, rows],
            self.start_states[rows],
            Episode(rollout.seat[:, rows], rollout.ended[:, rows]),
        )

    def _gaze_loss(self, rollout: Rollout, rows: Tensor) -> Tensor:
        """What the eyes fail to foresee, in one step of `GAZE_EVERY`.

        Where the next decision is the opponent's, or in a new game, nothing can be compared.
        """
        now = slice(0, self.config.num_steps - 1, GAZE_EVERY)
        after = slice(1, self.config.num_steps, GAZE_EVERY)
        goes_on = (rollout.sign[now, rows] > 0) & ~rollout.ended[now, rows]
        frames, glances, later = (
            of_rows(kept, rows, steps).flatten(0, 1)
            for kept, steps in (
                (rollout.frames, now), (rollout.glances, now), (rollout.glances, after),
            )
        )  # fmt: skip
        return self.policy.network.eyes.anticipation(frames, glances, later, goes_on.flatten())

    def _beside(self, rows: Tensor) -> list[Stretch]:
        """What else the network runs through with (M,) rows, for algorithms that build on this."""
        return []

    def _more_losses(
        self, log_probs: Tensor, rows: Tensor, *beside: tuple[Tensor, Tensor]
    ) -> dict[str, Tensor]:
        """What else is to be made small, for algorithms that build on this one.

        Args:
            log_probs: (T, M, A) of the minibatch.
            rows: (M,) int64, its rows of the rollout.
            beside: log-probabilities and values of each stretch that `_beside` gave.
        """
        return {}

    def _descend(self, norm: Tensor) -> None:
        """Take a step down the gradients, whose norm is given."""
        if not torch.isfinite(norm):
            raise FloatingPointError("the gradient is not finite: training stops")
        self.policy.optimizer.step()

    def _log_losses(self, means: list[float]) -> None:
        assert self.rollout is not None
        for name, mean in zip(self.loss_names, means, strict=True):
            self.logger.record(f"train/{name}", mean)
        variance = losses.explained_variance(self.rollout.value, self.rollout.returns)
        self.logger.record("train/explained_variance", float(variance))

    def _log_speed(self) -> None:
        elapsed_s = max((time.time_ns() - self.start_time) / 1e9, 1e-9)
        steps = self.num_timesteps - self._num_timesteps_at_start
        self.logger.record("time/steps_per_second", int(steps / elapsed_s))
        if self.ep_info_buffer:
            rewards = [float(info["r"]) for info in self.ep_info_buffer]
            self.logger.record("rollout/ep_rew_mean", float(np.mean(rewards)))
        self.logger.dump(step=self.num_timesteps)
