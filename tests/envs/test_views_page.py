"""What docs/views.md shows runs as it stands."""

import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "views.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)


def test_the_page_has_an_example_of_every_library():
    shown = "".join(EXAMPLES)
    assert len(EXAMPLES) == 4
    for needed in ("gymnasium.make(", "gymnasium.make_vec(", "MaskablePPO(", "parallel_env("):
        assert needed in shown


@pytest.mark.parametrize("example", EXAMPLES, ids=["one seat", "many", "sb3", "both seats"])
def test_an_example_runs(example):
    exec(compile(example, "docs/views.md", "exec"), {})
