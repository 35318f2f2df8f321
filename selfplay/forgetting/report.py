"""Results for people: a table in plain text, and one page of HTML that needs nothing else."""

from __future__ import annotations

from pathlib import Path

import jinja2
from rich.table import Table

from lifelong_agent.weights import write_atomically
from selfplay.forgetting.constants import Constants
from selfplay.forgetting.pictures import curves, heat_map
from selfplay.forgetting.results import Results

TEMPLATE = Path(__file__).parent.parent / "data" / "forgetting.html"
MEANINGS = {
    "average_performance": "mean score on all tasks at the end",
    "forgetting": "score at the end of a task's own training less the score at the very end, "
    "mean over earlier tasks",
    "forgetting_peak": "the same from the best score ever on",
    "backward_transfer": "change of earlier tasks in all later segments; above 0, later tasks "
    "helped",
    "forward_transfer": "area under the learning curve less that of learning the task alone from "
    "the same start",
    "zero_shot": "score on a task just before it is first trained",
    "worst_retention": "the smallest share that any earlier task keeps of its score",
    "held_out": "mean score at the end on tasks that are never trained",
    "raw_average": "mean score at the end, not normalised",
    "dormant_units": "share of the network's hidden units that are all but silent at the end",
}


def text_table(results: Results) -> Table:
    """The metrics, a column for each method; the constants where there is none."""
    head, rows = results.table() if results.methods else _constants_table(results.constants)
    table = Table(*head, title=f"suite {results.suite.name}, seeds {list(results.seeds)}")
    for row in rows:
        table.add_row(*row)
    return table


def _constants_table(constants: Constants) -> tuple[list[str], list[list[str]]]:
    columns = zip(constants.tasks, constants.random, constants.single, strict=True)
    rows = [[name, f"{low:.2f}", f"{high:.2f}"] for name, low, high in columns]
    return ["task", "random player", "trained alone"], rows


def write_report(results: Results, path: Path) -> None:
    """One self-contained page: metrics, heat maps, curves, constants, terms."""
    page = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(
        TEMPLATE.read_text(encoding="utf-8")
    )
    head, rows = results.table()
    html = page.render(
        results=results,
        suite=results.suite,
        metrics=[head, *rows],
        meanings=MEANINGS,
        pictures={name: (heat_map(m), curves(m)) for name, m in results.methods.items()},
        constants=results.constants.to_json(),
    )
    write_atomically(path, html.encode())
