"""What every command shares."""

import warnings

from memory.command_line import guarded


def told(category: type[Warning]) -> str:
    return warnings.formatwarning("a file was set aside", category, "looks.py", 93, "code")


def test_our_warnings_are_one_line_without_code_while_a_command_runs() -> None:
    before = told(UserWarning)
    assert "looks.py:93" in before
    assert guarded(lambda: told(UserWarning)) == "warning: a file was set aside\n"
    assert guarded(lambda: told(DeprecationWarning)) == told(DeprecationWarning)
    assert told(UserWarning) == before
