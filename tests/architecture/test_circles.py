"""No two files import each other, directly or through others, also inside one room."""

import ast
from collections.abc import Iterator, Mapping
from functools import cache

from tests.architecture.prose import nodes_of
from tests.architecture.source import source_files

Graph = Mapping[str, frozenset[str]]


def test_no_file_is_part_of_a_circle_of_imports() -> None:
    assert circles(_graph()) == []


def test_the_rule_finds_circles() -> None:
    graph = {
        "a": frozenset({"b"}),
        "b": frozenset({"c", "d"}),
        "c": frozenset({"a"}),
        "d": frozenset({"e"}),
        "e": frozenset(),
        "f": frozenset({"f"}),
    }
    assert circles(graph) == [["a", "b", "c"], ["f"]]


def test_the_graph_knows_packages_and_files() -> None:
    graph = _graph()
    assert "config.variables" in graph["config.settings"]
    assert "app.factory" in graph["app"]


def circles(graph: Graph) -> list[list[str]]:
    """Return the groups of modules of which each reaches every other, sorted."""
    reached = {module: _reached(graph, module) for module in graph}
    groups = {
        tuple(sorted(other for other in reached[module] if module in reached[other]))
        for module in graph
        if module in reached[module]
    }
    return sorted(list(group) for group in groups)


def _reached(graph: Graph, module: str) -> set[str]:
    reached: set[str] = set()
    waiting = list(graph[module])
    while waiting:
        found = waiting.pop()
        if found not in reached:
            reached.add(found)
            waiting += graph[found]
    return reached


@cache
def _graph() -> Graph:
    """Return what each of our modules imports of the others, also for type checking only."""
    trees = {_module(file.path): file.tree for file in source_files()}
    return {
        module: frozenset(found for found in _imports(tree, trees) if found != module)
        for module, tree in trees.items()
    }


def _imports(tree: ast.Module, known: Mapping[str, ast.Module]) -> Iterator[str]:
    for node in nodes_of(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found = inner if inner in known else node.module
                if found in known:
                    yield found


def _module(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
