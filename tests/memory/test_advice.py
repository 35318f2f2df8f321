import numpy as np
import pytest

from memory.advice import advantages, advise
from memory.credit import Answer


def test_advice_multiplies_the_odds_by_the_exponential_of_the_advantage() -> None:
    policy = np.array([0.8, 0.2, 0.0], np.float32)
    advice = np.array([-0.4, 0.0, 2.0], np.float32)
    bent = advise(policy, advice, temperature=0.2)
    odds = 0.8 * np.exp(-2.0) / 0.2
    assert bent[0] / bent[1] == pytest.approx(odds, rel=1e-5)
    assert bent.sum() == pytest.approx(1)
    assert bent[2] == 0


def test_silence_changes_nothing() -> None:
    policy = np.array([0.7, 0.3], np.float32)
    assert advise(policy, np.zeros(2, np.float32), 0.2) == pytest.approx(policy)


def test_an_advantage_is_what_is_remembered_less_what_is_expected_and_bounded() -> None:
    answers = {0: Answer(-1.0, 3), 2: Answer(0.9, 1)}
    assert advantages(answers, 0.5, 1.0, 4) == pytest.approx([-1.0, 0.0, 0.4, 0.0])
