"""A failure of one element is reported and kept; an outage and a stop end the pass."""

import pytest
from pymongo.errors import AutoReconnect, ExecutionTimeout
from structlog.testing import capture_logs

from app.backends.containment import Containment, Failure
from app.http.faults import AccountFault
from app.worker.stop import Stopped


def test_a_failure_is_reported_without_the_exceptions_text() -> None:
    containment = Containment()

    with capture_logs() as logs, containment.of("day_not_archived", account="org_1:live", day="1"):
        raise ValueError("stored text")

    (failure,) = containment.failures
    assert (failure.account, failure.error) == ("org_1:live", "ValueError")
    assert failure.sentence.startswith("org_1:live 1: day not archived (ValueError).")
    (line,) = logs
    assert (line["event"], line["account"], line["day"]) == ("day_not_archived", "org_1:live", "1")
    assert line["at"][-1].endswith("test_a_failure_is_reported_without_the_exceptions_text")
    assert "stored text" not in f"{logs}{failure}"


def test_an_account_fault_has_its_own_reason() -> None:
    kept: list[Failure] = []
    containment = Containment(kept.append)

    with containment.of("periods_not_frozen", account="org_1"):
        raise AccountFault("org_1", "Restore this field.")

    assert kept == containment.failures
    assert kept[0].reason == "Restore this field."


def test_a_warning_is_reported_but_is_no_failure() -> None:
    kept: list[Failure] = []
    containment = Containment(kept.append)

    containment.warn("organization_at_fault", "org_1", "Set a plan.")

    assert (len(kept), containment.failures) == (1, [])


def test_a_query_over_its_time_limit_fails_its_element_alone() -> None:
    containment = Containment(lambda failure: None)

    with containment.of("day_not_archived", account="org_1:live"):
        raise ExecutionTimeout("operation exceeded time limit")

    assert len(containment.failures) == 1


@pytest.mark.parametrize("end", [AutoReconnect, Stopped, KeyboardInterrupt])
def test_an_outage_and_a_stop_are_not_contained(end: type[BaseException]) -> None:
    containment = Containment()

    with pytest.raises(end), containment.of("day_not_archived", account="org_1:live"):
        raise end

    assert containment.failures == []
