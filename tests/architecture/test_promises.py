"""Each route has an access policy, and the example environment names each setting."""

import re
from dataclasses import fields

import pytest
from flask import Flask

from app.access import Access
from app.http.application import provided
from app.policies import POLICIES
from config.settings import Settings
from tests.architecture.source import ROOT


def test_every_route_has_an_access_policy_and_no_policy_is_left_over(memory_app: Flask) -> None:
    endpoints = {rule.endpoint for rule in memory_app.url_map.iter_rules()}
    assert endpoints == set(POLICIES)


def test_a_route_without_a_policy_keeps_an_application_from_starting(memory_app: Flask) -> None:
    with memory_app.app_context():
        access = provided(Access)
    bare = Flask("bare", static_folder=None)
    bare.add_url_rule("/forgotten", "forgotten", lambda: "")

    with pytest.raises(RuntimeError, match=r"^routes without an access policy: forgotten$"):
        access.init_app(bare)


def test_no_hook_looks_up_limits_that_no_route_has(memory_app: Flask) -> None:
    hooks = [
        hook
        for kind in ("before_request_funcs", "after_request_funcs", "teardown_request_funcs")
        for hook in getattr(memory_app, kind)[None]
    ]
    assert len(hooks) >= 5
    assert [hook for hook in hooks if "limiter" in f"{hook!r}".lower()] == []


def test_the_example_environment_names_every_setting() -> None:
    named = set(re.findall(r"^#? ?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert {field.name.upper() for field in fields(Settings)} <= named


def test_locked_requirements_name_no_host() -> None:
    texts = [path.read_text() for path in ROOT.glob("requirements*.txt")]
    assert texts
    assert [text for text in texts if "://" in text or "--index" in text] == []
