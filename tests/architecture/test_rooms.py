"""Which library may be used in which file; the order of the rooms is import-linter's business."""

import ast
from fnmatch import fnmatch

import pytest

from tests.architecture.prose import nodes_of
from tests.architecture.source import SourceFile, imported_modules, source_files

WEB = (
    "wsgi.py",
    "app/__init__.py",
    "app/__main__.py",
    "app/factory.py",
    "app/access.py",
    "app/http/*",
    "app/observability/*",
    "app/reference/*",
    "app/cli/*",
    "app/console/*",
    "app/*/routes.py",
)
ROOMS = {
    # The strategy's host wants to meet the application.
    "flask": (*WEB, "app/admission/ip_limits.py", "app/serving/*"),
    "flask_smorest": WEB,
    "werkzeug": WEB,
    "flask_limiter": ("app/admission/ip_limits.py",),
    # The settings let the driver check its own address; the client that it makes never connects.
    "pymongo": ("app/*/store.py", "app/backends/*", "app/clients.py", "config/mongodb_address.py"),
    "bson": ("app/*/store.py", "app/backends/*"),
    "redis": ("app/admission/*", "app/backends/*", "app/clients.py"),
    "granian": ("app/serving/launcher.py",),
    "hiredis": ("app/backends/*",),
    "fakeredis": ("app/backends/memory.py",),
    "mongomock": ("app/backends/memory.py",),
    "rich": ("app/cli/*",),
    "pyarrow": ("app/cli/*",),
    "opentelemetry": ("app/observability/span*.py", "app/otlp/protobuf.py"),
    "google": ("app/otlp/protobuf.py",),
}
# Imports inside functions, each with its reason.
LATE_IMPORTS = {
    "app/__init__.py": "a server imports it before the application; structlog comes without rich",
    "app/otlp/routes.py": "the extra `otlp` is optional, and slow to import",
    "app/observability/tracing.py": "OpenTelemetry is optional, and slow to import",
    "app/backends/connect.py": "a backend is optional until the settings ask for it",
    "app/factory.py": "the pages of the console are slow to import, and optional",
    "app/cli/output.py": "rich is slow to import and only progress bars need it here",
    "app/cli/parquet_files.py": "PyArrow is optional and slow to import",
    "app/cli/tables.py": "rich is slow to import and only tables need it",
}
TOOLS = ("bench", "devkit", "scripts", "tests")


def service_files() -> list[SourceFile]:
    tools = tuple(f"{name}/" for name in TOOLS)
    return [file for file in source_files() if not file.path.startswith(tools)]


@pytest.mark.parametrize("library", ROOMS)
def test_a_library_stays_in_its_rooms(library: str) -> None:
    users = [
        file.path
        for file in service_files()
        if any(module.split(".")[0] == library for module in imported_modules(file.tree))
    ]
    strangers = [path for path in users if not any(fnmatch(path, room) for room in ROOMS[library])]
    assert strangers == []


def test_the_service_imports_no_tool_of_its_developers() -> None:
    offenders = [
        file.path
        for file in service_files()
        if any(module.split(".")[0] in TOOLS for module in imported_modules(file.tree))
    ]
    assert offenders == []


def test_nothing_in_the_house_imports_the_roof() -> None:
    roof = {"wsgi.py", "app/__init__.py", "app/__main__.py", "app/factory.py"}
    below = [file for file in service_files() if file.path not in roof]
    offenders = [file.path for file in below if {"app", "wsgi"} & set(imported_modules(file.tree))]
    assert offenders == []


def test_imports_inside_functions_have_a_reason() -> None:
    offenders = {
        file.path
        for file in source_files()
        for function in file.functions()
        if any(imported_modules(function))
    }
    assert offenders <= set(LATE_IMPORTS)


@pytest.mark.parametrize("path", LATE_IMPORTS)
def test_no_reason_outlives_its_import(path: str) -> None:
    (file,) = (found for found in source_files() if found.path == path)
    assert any(any(imported_modules(function)) for function in file.functions())


def test_no_schema_has_hooks_that_accepting_passes_by() -> None:
    """Good data never meets them: `app/http/fields.py`."""
    hooks = {"pre_load", "post_load", "validates", "validates_schema"}
    users = {
        file.path
        for file in service_files()
        if hooks & {node.id for node in nodes_of(file.tree) if isinstance(node, ast.Name)}
    }
    assert users == {"app/http/fields.py"}


def test_no_function_of_the_application_is_a_coroutine() -> None:
    """Allow no coroutines: `app/http/application.py` removes Flask's check for them."""
    offenders = [
        file.path
        for file in service_files()
        if any(isinstance(node, ast.AsyncFunctionDef) for node in nodes_of(file.tree))
    ]
    assert offenders == ["app/serving/adapter.py", "app/serving/bodies.py"]
