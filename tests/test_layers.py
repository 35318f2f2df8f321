"""Imports point down the house, and never in a circle.

Every import counts, also inside functions and under `TYPE_CHECKING`.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("play", "window", "selfplay", "lifelong_agent", "memory", "envs")
MAY_IMPORT = {
    "play": {"window", "selfplay", "lifelong_agent", "memory", "envs"},
    "window": {"selfplay", "lifelong_agent", "memory", "envs"},
    "selfplay": {"lifelong_agent", "memory", "envs"},
    "lifelong_agent": {"memory"},  # it is told shapes and numbers of actions, never the games
    "memory": set(),  # memory and envs are neighbours who never meet
    "envs": set(),
}
NEVER_IMPORTED = {"bitbully", "open_spiel", "pyspiel"}  # graders: for evaluation outside only


def modules_of_the_house():
    """Dotted name of every module of the rooms, and its file."""
    files = [ROOT / "play.py"]
    for room in ROOMS:
        files += sorted((ROOT / room).rglob("*.py"))
    return {dotted_name(file): file for file in files if file.exists()}


def dotted_name(file):
    parts = list(file.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_names(source, package=""):
    """Absolute dotted names that the source imports; `from a import b` gives `a.b`."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = absolute(node.module or "", node.level, package)
            names |= {f"{base}.{alias.name}" for alias in node.names}
    return names


def absolute(name, level, package):
    if level == 0:
        return name
    above = package.split(".")[: len(package.split(".")) - (level - 1)]
    return ".".join([*above, name] if name else above)


def imports_between_modules(modules):
    """For each module those of the house that its text names."""
    graph = {}
    for name, file in modules.items():
        package = name if file.name == "__init__.py" else name.rpartition(".")[0]
        imported = imported_names(file.read_text(encoding="utf-8"), package)
        graph[name] = {module_of(x, modules) for x in imported} - {None}
    return graph


def module_of(name, modules):
    """`envs.connect.Connect` belongs to the module `envs.connect`, `envs.make` to `envs`."""
    while name and name not in modules:
        name = name.rpartition(".")[0]
    return name or None


def find_ring(graph):
    """Some circle of imports as a list of names, or None."""
    finished = set()

    def walk(name, path):
        if name in path:
            return [*path[path.index(name) :], name]
        if name in finished:
            return None
        rings = (walk(below, [*path, name]) for below in sorted(graph.get(name, ())))
        ring = next((ring for ring in rings if ring), None)
        finished.add(name)
        return ring

    return next((ring for ring in (walk(name, []) for name in sorted(graph)) if ring), None)


def upward_imports(graph):
    """Pairs (importer, imported) that do not point down."""
    return [
        (name, other)
        for name, others in sorted(graph.items())
        for other in sorted(others)
        if room_of(other) != room_of(name) and room_of(other) not in MAY_IMPORT[room_of(name)]
    ]


def room_of(name):
    return name.partition(".")[0]


@pytest.fixture(scope="module")
def graph():
    return imports_between_modules(modules_of_the_house())


def test_every_room_is_looked_at(graph):
    found = {room_of(name) for name in graph}
    assert found >= {"window", "selfplay", "lifelong_agent", "memory", "envs"}
    assert "lifelong_agent.policy" in graph["lifelong_agent.ppo"]
    assert "envs.connect" in graph["envs.registry"]


def test_imports_point_down_the_house(graph):
    assert upward_imports(graph) == []


def test_no_modules_import_each_other_in_a_ring(graph):
    ring = find_ring(graph)
    assert ring is None, " imports ".join(ring or [])


def test_the_packages_import_no_grader():
    for name, file in modules_of_the_house().items():
        imported = {room_of(x) for x in imported_names(file.read_text(encoding="utf-8"))}
        assert not imported & NEVER_IMPORTED, name


def test_an_upward_import_would_be_found():
    graph = {"envs.core": {"memory.store"}, "lifelong_agent.ppo": {"envs", "memory"}}
    assert upward_imports(graph) == [("envs.core", "memory.store"), ("lifelong_agent.ppo", "envs")]


def test_a_ring_would_be_found():
    assert find_ring({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert find_ring({"a": {"a"}}) == ["a", "a"]
    assert find_ring({"a": {"b", "c"}, "b": {"d"}, "c": {"d"}, "d": set()}) is None


def test_imports_are_read_in_all_their_forms():
    source = """
import a.b
from c import d as e
from . import sibling
from ..other import thing
def late():
    from f.g import h
"""
    assert imported_names(source, "house.room") == {
        "a.b",
        "c.d",
        "house.room.sibling",
        "house.other.thing",
        "f.g.h",
    }
    modules = {"envs", "envs.connect"}
    names = ("envs.make", "envs.connect", "envs.connect.Connect", "torch.nn")
    assert [module_of(x, modules) for x in names] == ["envs", "envs.connect", "envs.connect", None]
