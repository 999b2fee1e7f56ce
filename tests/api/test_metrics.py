"""`/metrics`: for operators only, correct, and without data of organizations."""

import re

import pytest
from flask import Flask
from prometheus_client.parser import text_string_to_metric_families

from app import create_app
from app.backends.backend import Backend
from app.http.application import provided
from app.usage.notes.store import Drift, PassNotes
from tests.api.conftest import NewCaller
from tests.applications import make_app
from tests.callers import LIST, Clock, new_caller
from tests.console.operator import log_in, visitor
from tests.servers import OPERATOR_TOKEN, settings_for
from tests.turns import DAY_MS, at, now_ms, stateful

OPERATOR = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
PEER_BUCKET = "bucket:{ip:127.0.0.1}"
LABELS = {"method", "route", "status", "bucket", "outcome", "le"}
# Present once a store, stored data or work in the background was at fault in this process, or a
# span had an attribute that was dropped.
OF_FAULTS = {"store", "event", "reason", "task", "attribute"}
Samples = dict[str, float]


def exposition(app: Flask) -> str:
    answer = app.test_client().get("/metrics", headers=OPERATOR)
    assert answer.status_code == 200
    return answer.text


def samples(app: Flask) -> Samples:
    """Return our samples by name and label values, in order of the labels' names."""
    return {
        " ".join(
            [sample.name, *(value for _, value in sorted(sample.labels.items()))]
        ): sample.value
        for family in text_string_to_metric_families(exposition(app))
        for sample in family.samples
        if sample.name.startswith("turnledger_")
    }


def counted(app: Flask, before: Samples, kind: str) -> Samples:
    """Return the growth of the counters since `before`, except that of this reading."""
    grown = {name: value - before.get(name, 0) for name, value in samples(app).items()}
    return {
        name.removeprefix(f"{kind} "): growth
        for name, growth in grown.items()
        if growth and name.startswith(f"{kind} ") and "/metrics" not in name
    }


@pytest.mark.parametrize("header", ["bearer {}", "BEARER {}", "Bearer   {} "])
def test_the_scheme_is_case_insensitive(memory_app: Flask, header: str) -> None:
    headers = {"Authorization": header.format(OPERATOR_TOKEN)}

    answer = memory_app.test_client().get("/metrics", headers=headers)

    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")


def test_the_operators_token_is_accepted_and_not_limited(backend: Backend) -> None:
    app = create_app(settings_for(ip_limit="1 per 60 seconds"), backend)

    answers = [app.test_client().get("/metrics", headers=OPERATOR) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200] * 3
    assert {answer.mimetype for answer in answers} == {"text/plain"}
    assert list(backend.redis.scan_iter("bucket:*")) == []


@pytest.mark.parametrize("configured", [OPERATOR_TOKEN, ""])
@pytest.mark.parametrize(
    "given",
    [
        *(None, "", "Bearer", "Bearer ", "Bearer é", "Basic b3BlcmF0b3I="),
        *(
            f"Bearer {OPERATOR_TOKEN}x",
            f"Bearer {OPERATOR_TOKEN[:-1]}",
            OPERATOR_TOKEN,
            f" {OPERATOR_TOKEN}",
            f"Bearer\t{OPERATOR_TOKEN}",
            f"Bearer {OPERATOR_TOKEN},Bearer {OPERATOR_TOKEN}",
        ),
        *(f"bearer {OPERATOR_TOKEN.upper()}", f"Basic {OPERATOR_TOKEN}"),
    ],
)
def test_any_other_token_is_401_and_charged_to_the_address(
    memory_backend: Backend, configured: str, given: str | None
) -> None:
    settings = settings_for(operator_token=configured, ip_limit="2 per 60 seconds")
    client = create_app(settings, memory_backend).test_client()
    headers = {} if given is None else {"Authorization": given}

    answers = [client.get("/metrics", headers=headers) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [401, 401, 429]
    assert answers[0].get_json()["error"]["code"] == "authentication_error"
    assert answers[0].headers["WWW-Authenticate"] == "Bearer"
    assert [answer.headers["X-RateLimit-Remaining"] for answer in answers] == ["1", "0", "0"]
    assert list(memory_backend.redis.scan_iter("bucket:*")) == [PEER_BUCKET]
    assert not any("turnledger_" in answer.text for answer in answers)


def test_a_token_of_a_scraper_reads_metrics_and_opens_no_console(memory_backend: Backend) -> None:
    scraper = "s" * 32
    app = make_app(settings_for(metrics_token=scraper), memory_backend)
    answer = app.test_client().get("/metrics", headers={"Authorization": f"Bearer {scraper}"})
    assert answer.status_code == 200
    refused = visitor(app).post("/console/login", name="on-call-eu", token=scraper)
    assert (refused.status_code, log_in(app).get("/console").status_code) == (403, 200)


def test_without_a_configured_token_every_token_is_refused(memory_backend: Backend) -> None:
    client = create_app(settings_for(operator_token=""), memory_backend).test_client()

    assert client.get("/metrics", headers=OPERATOR).status_code == 401


def test_a_customers_key_is_no_operators_token(memory_app: Flask) -> None:
    assert new_caller(memory_app)("GET", "/metrics").status_code == 401


def test_requests_and_their_durations_are_counted_by_route_and_status(memory_app: Flask) -> None:
    caller, before = new_caller(memory_app), samples(memory_app)
    payload = stateful()

    for _ in range(3):
        caller.record(payload)
    caller("GET", f"{LIST}/int_absent")
    caller("BREW", "/somewhere")

    assert counted(memory_app, before, "turnledger_requests_total") == {
        f"POST {LIST} 201": 1,
        f"POST {LIST} 200": 2,
        f"GET {LIST}/<interaction_id> 404": 1,
        "other unmatched 404": 1,
    }
    assert counted(memory_app, before, "turnledger_request_duration_seconds_count") == {
        LIST: 3,
        f"{LIST}/<interaction_id>": 1,
        "unmatched": 1,
    }


def test_decisions_are_counted_by_bucket_and_outcome(tenant: NewCaller, app: Flask) -> None:
    caller, before = tenant("free", turns=1, requests_per_second=1, burst=2), samples(app)

    statuses = [caller.record(at(now_ms())).status_code for _ in range(2)]
    statuses += [caller.list_().status_code for _ in range(20)]
    strangers = [app.test_client().get(path).status_code for path in ("/v1/me", "/healthz")]

    admitted_count = statuses.count(201) + statuses.count(200)
    assert strangers == [401, 200]
    assert counted(app, before, "turnledger_decisions_total") == {
        "organization admitted": admitted_count,
        "organization quota_exhausted": 1,
        "organization rate_limited": len(statuses) - admitted_count - 1,
        "address admitted": 1,
    }


ACCOUNTS = "turnledger_organization_turns_"


def test_the_largest_accounts_are_named_with_their_turns(memory_app: Flask) -> None:
    caller = new_caller(memory_app, turns=1_000)
    caller.record(stateful("rel_1"))
    name = f"live {caller.organization.id}"
    found = samples(memory_app)
    assert found[f"{ACCOUNTS}used {name}"] == 1
    assert found[f"{ACCOUNTS}limit {name}"] == 1_000


def test_without_the_setting_no_organization_is_named(memory_backend: Backend) -> None:
    app = create_app(settings_for(metrics_organizations=0), memory_backend)
    caller = new_caller(app, turns=1_000)
    caller.record(stateful("rel_1"))
    assert caller.organization.id not in exposition(app)


def test_metrics_contain_no_id_no_key_and_no_text_of_a_client(memory_app: Flask) -> None:
    caller = new_caller(memory_app)
    payload = stateful(
        "rel_qzxwvk", user_id="u_qzxwvk", turn_id="turn_qzxwvk", personality_id="pers_qzxwvk"
    )

    recorded = caller.record(payload).get_json()
    caller("GET", f"{LIST}/{recorded['interaction_id']}")
    caller(
        "QZXWVK",
        "/qzxwvk?qzxwvk=qzxwvk",
        headers={"X-Request-Id": "qzxwvk", "User-Agent": "qzxwvk"},
    )
    me = caller("GET", "/v1/me").get_json()

    # Only the metrics of the largest accounts name organizations; see the test below.
    lines = exposition(memory_app).splitlines()
    text = "\n".join(line for line in lines if not line.startswith(ACCOUNTS))
    secrets = [caller.organization.id, caller.token, me["key_id"], recorded["interaction_id"]]
    assert not [
        secret for secret in [*secrets, "qzxwvk", "QZXWVK", OPERATOR_TOKEN] if secret in text
    ]
    ours = "\n".join(line for line in text.splitlines() if line.startswith("turnledger_"))
    assert set(re.findall(r'(\w+)="', ours)) - OF_FAULTS == LABELS


def test_the_lag_of_the_archive_and_the_drift_of_quotas_are_shown(app: Flask) -> None:
    caller, clock = new_caller(app), Clock(app)
    caller.import_([at(clock.now_ms - 185 * DAY_MS)], recorded_at_us=clock.now_us)
    clock.move(s=90)
    with app.app_context():
        provided(PassNotes).note_drift(Drift(3, 1, 0))
        provided(PassNotes).note_drift(Drift(2, 0, 4))

    shown = samples(app)

    assert shown["turnledger_archive_lag_seconds"] == 90
    assert shown["turnledger_over_retained_turns"] == 1
    assert shown["turnledger_quota_drift_turns_total"] == 5
    assert shown["turnledger_quota_drift_relationships_total"] == 1
    assert shown["turnledger_quota_drift_uncharged_turns_total"] == 4


def test_every_metric_explains_itself_in_a_sentence(app: Flask) -> None:
    ours = [
        family
        for family in text_string_to_metric_families(exposition(app))
        if family.name.startswith("turnledger_")
    ]

    assert all(re.fullmatch(r"[A-Z].{20,}\.|Requests answered\.", f.documentation) for f in ours)
    kinds = {family.name: family.type for family in ours}
    assert kinds["turnledger_archive_lag_seconds"] == "gauge"
    assert kinds["turnledger_quota_drift_turns"] == "counter"
    assert kinds["turnledger_quota_drift_relationships"] == "counter"
