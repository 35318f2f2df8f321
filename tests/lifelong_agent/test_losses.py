"""The formulas of learning, on numbers that were worked out by hand."""

import math

import pytest
import torch

from lifelong_agent import losses

SAME, OTHER = 1.0, -1.0


def column(*numbers):
    """(T, 1) tensor of one row's numbers."""
    return torch.tensor(numbers)[:, None]


def advantages(rewards, values, signs, ended, last_value=0.0, discount=0.5, trace_decay=0.5):
    result = losses.generalised_advantages(
        column(*rewards),
        column(*values),
        column(*signs),
        column(*ended),
        torch.tensor([last_value]),
        discount,
        trace_decay,
    )
    return result[:, 0].tolist()


def test_advantages_of_one_seat_are_those_worked_by_hand():
    # delta_2 = 3 + 0.5 * 8 - 2 = 5                  A_2 = 5
    # delta_1 = 2 + 0.5 * 2 - 4 = -1                 A_1 = -1 + 0.25 * 5 = 0.25
    # delta_0 = 1 + 0.5 * 4 - 1 = 2                  A_0 = 2 + 0.25 * 0.25 = 2.0625
    found = advantages([1.0, 2, 3], [1.0, 4, 2], [SAME] * 3, [False] * 3, last_value=8.0)
    assert found == [2.0625, 0.25, 5.0]


def test_an_ending_cuts_what_came_after_it():
    # delta_1 = 2 - 4 = -2                           A_1 = -2, whatever follows
    # delta_0 = 1 + 0.5 * 4 - 1 = 2                  A_0 = 2 + 0.25 * -2 = 1.5
    found = advantages([1.0, 2, 3], [1.0, 4, 2], [SAME] * 3, [False, True, False], last_value=8.0)
    assert found == [1.5, -2.0, 5.0]


def test_the_sign_flips_where_the_next_decision_is_the_opponents():
    # delta_2 = 1 - 0.5 = 0.5   (it wins)            A_2 = 0.5
    # delta_1 = 0 - 0.5 * 0.5 - 0.25 = -0.5          A_1 = -0.5 - 0.25 * 0.5 = -0.625
    # delta_0 = 0 - 0.5 * 0.25 - 0.5 = -0.625        A_0 = -0.625 - 0.25 * -0.625 = -0.46875
    game = ([0.0, 0, 1], [0.5, 0.25, 0.5])
    found = advantages(*game, [OTHER] * 3, [False, False, True])
    assert found == [-0.46875, -0.625, 0.5]
    wrong = advantages(*game, [SAME] * 3, [False, False, True])
    assert wrong != found, "the sign must matter"


def test_the_last_value_is_seen_by_the_seat_that_decides_next():
    assert advantages([0.0], [0.0], [OTHER], [False], last_value=0.8) == pytest.approx([-0.4])
    assert advantages([0.0], [0.0], [SAME], [False], last_value=0.8) == pytest.approx([0.4])
    assert advantages([0.0], [0.0], [OTHER], [True], last_value=0.8) == [0.0]


def test_the_losers_last_decision_gets_its_minus_one():
    # two seats in turn, nothing expected, the last mover wins: returns alternate
    found = advantages([0.0] * 3 + [1.0], [0.0] * 4, [OTHER] * 4, [False] * 3 + [True],
                       discount=1.0, trace_decay=1.0)  # fmt: skip
    assert found == [-1.0, 1.0, -1.0, 1.0]
    wrong = advantages([0.0] * 3 + [1.0], [0.0] * 4, [SAME] * 4, [False] * 3 + [True],
                       discount=1.0, trace_decay=1.0)  # fmt: skip
    assert wrong == [1.0] * 4, "without signs the loser would be praised for losing"


def test_with_a_correct_value_the_loser_is_blamed_where_it_erred():
    # the second seat's error at t = 1 turns a won game (value 1) into a lost one
    found = advantages([0.0, 0.0, 1.0], [-1.0, 1.0, 1.0], [OTHER] * 3, [False, False, True],
                       discount=1.0, trace_decay=0.0)  # fmt: skip
    assert found == [0.0, -2.0, 0.0]


def test_with_full_traces_the_advantage_is_the_signed_return_minus_the_value():
    generator = torch.Generator().manual_seed(0)
    num_steps, rows, discount = 7, 5, 0.9
    rewards, values = torch.randn(2, num_steps, rows, generator=generator)
    signs = torch.randint(0, 2, (num_steps, rows), generator=generator) * 2.0 - 1
    ended = torch.rand(num_steps, rows, generator=generator) < 0.2
    last_value = torch.randn(rows, generator=generator)
    found = losses.generalised_advantages(rewards, values, signs, ended, last_value, discount, 1.0)
    for row in range(rows):
        for start in range(num_steps):
            weight, returns = 1.0, 0.0
            for t in range(start, num_steps):
                returns += weight * float(rewards[t, row])
                if ended[t, row]:
                    weight = 0.0
                    break
                weight *= discount * float(signs[t, row])
            returns += weight * float(last_value[row])
            expected = returns - float(values[start, row])
            assert float(found[start, row]) == pytest.approx(expected, abs=1e-5)


def test_advantages_leave_their_inputs_alone():
    rewards, values = torch.ones(3, 2), torch.ones(3, 2)
    signs, ended, last_value = -torch.ones(3, 2), torch.zeros(3, 2).bool(), torch.ones(2)
    losses.generalised_advantages(rewards, values, signs, ended, last_value, 0.9, 0.9)
    for tensor, sign in ((rewards, 1), (values, 1), (signs, -1), (last_value, 1)):
        assert (tensor == sign).all()
    assert not ended.any()


def test_illegal_actions_have_no_probability_and_the_legal_ones_share_it_all():
    logits = torch.tensor([[0.0, math.log(3.0), 50.0]])
    found = losses.mask_logits(logits, torch.tensor([[True, True, False]])).exp()
    assert found[0].tolist() == pytest.approx([0.25, 0.75, 0.0])
    unmasked = losses.mask_logits(logits, torch.ones(1, 3).bool()).exp()
    assert unmasked[0, 2] > 0.99


def test_an_illegal_action_gets_no_gradient():
    logits = torch.randn(4, 6, requires_grad=True)
    legal = torch.tensor([True, False, True, True, False, True]).expand(4, 6)
    losses.entropy(losses.mask_logits(logits, legal)).backward()
    assert torch.isfinite(logits.grad).all()
    assert not logits.grad[~legal].any()
    assert logits.grad[legal].any()


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss"),
    [
        (1.1, 2.0, -2.2),  # within the clip
        (1.5, 2.0, -2.4),  # no further praise beyond 1.2
        (0.5, 2.0, -1.0),  # but the way back is open
        (0.5, -2.0, 1.6),  # no further blame below 0.8
        (1.5, -2.0, 3.0),  # but the way back is open
    ],
)
def test_the_policy_loss_is_clipped_on_the_far_side_only(ratio, advantage, loss):
    log_prob = torch.tensor([math.log(ratio * 0.3)], requires_grad=True)
    old = torch.tensor([math.log(0.3)])
    found = losses.policy_loss(log_prob, old, torch.tensor([advantage]), 0.2)
    assert found.item() == pytest.approx(loss, rel=1e-5)
    found.backward()
    is_clipped = loss in (-2.4, 1.6)
    assert (log_prob.grad.item() == 0) == is_clipped


def test_the_policy_loss_is_a_mean():
    log_prob = torch.log(torch.tensor([0.55, 0.25]))
    old = torch.log(torch.tensor([0.5, 0.5]))
    found = losses.policy_loss(log_prob, old, torch.tensor([2.0, -2.0]), 0.2)
    assert found.item() == pytest.approx((-2.2 + 1.6) / 2, rel=1e-5)


def test_the_value_loss_is_half_the_mean_square():
    found = losses.value_loss(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 3.0]))
    assert found.item() == 2.5


def test_the_entropy_is_in_nats_and_a_mean_over_decisions():
    even, sure = [0.25] * 4, [1.0, 0.0, 0.0, 0.0]
    log_probs = torch.tensor([even, sure]).log().clamp_min(-1e9)
    assert losses.entropy(log_probs).item() == pytest.approx(math.log(4) / 2)
    half = torch.tensor([[0.5, 0.5, 0.0, 0.0]]).log().clamp_min(-1e9)
    assert losses.entropy(half).item() == pytest.approx(math.log(2))


def test_the_divergence_of_two_policies_is_the_one_worked_by_hand():
    # r = 2: 2 - 1 - ln 2;  r = 1/2: 1/2 - 1 + ln 2;  the mean is 1/4
    old = torch.tensor([0.2, 0.8]).log()
    new = torch.tensor([0.4, 0.4]).log()
    assert losses.approximate_kl(new, old).item() == pytest.approx(0.25)
    assert losses.approximate_kl(old, old).item() == 0


def test_the_estimate_of_the_divergence_is_right_on_average():
    old, new = torch.tensor([0.5, 0.3, 0.2]), torch.tensor([0.3, 0.3, 0.4])
    drawn = torch.multinomial(old, 200_000, True, generator=torch.Generator().manual_seed(0))
    exact = (old * (old / new).log()).sum().item()
    found = losses.approximate_kl(new.log()[drawn], old.log()[drawn]).item()
    assert found == pytest.approx(exact, rel=0.02)


def test_explained_variance_is_one_for_a_perfect_critic_and_zero_for_a_constant_one():
    returns = torch.tensor([1.0, 2.0, 3.0, 6.0])
    assert losses.explained_variance(returns, returns).item() == 1
    assert losses.explained_variance(torch.full((4,), 9.0), returns).item() == 0
    assert losses.explained_variance(returns / 2, returns).item() == pytest.approx(0.75)
    assert losses.explained_variance(-returns, returns).item() == pytest.approx(-3.0)


def test_explained_variance_of_constant_returns_is_zero():
    found = losses.explained_variance(torch.tensor([1.0, 5.0]), torch.tensor([2.0, 2.0]))
    assert found.item() == 0


def test_advantages_are_normalised_group_by_group():
    advantages = torch.tensor([[1.0, 10.0, 3.0], [3.0, 30.0, 1.0]])
    normal = losses.normalise(advantages, torch.tensor([0, 7, 0]))
    wanted = torch.tensor([[-1.0, -1.0, 1.0], [1.0, 1.0, -1.0]])  # means 2, 20; deviations 1, 10
    torch.testing.assert_close(normal, wanted)
    together = losses.normalise(advantages, torch.zeros(3, dtype=torch.int64))
    assert together[1, 0].abs() < 0.5, "in one group the small ones are drowned"
    assert advantages[0, 0] == 1


def test_small_differences_are_not_blown_up_beyond_the_least_deviation():
    advantages = torch.tensor([[0.01, -4.0], [-0.01, 4.0]])
    normal = losses.normalise(advantages, torch.tensor([0, 1]), least_deviation=0.1)
    torch.testing.assert_close(normal, torch.tensor([[0.1, -1.0], [-0.1, 1.0]]))


def test_a_group_without_differences_has_no_advantages():
    normal = losses.normalise(torch.full((4, 2), 0.3), torch.tensor([0, 1]))
    assert normal.abs().max() < 1e-3
