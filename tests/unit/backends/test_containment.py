"""A failure of one element is named, kept and passed over; an outage and the end are not."""

import pytest
from pymongo.errors import AutoReconnect, ExecutionTimeout
from structlog.testing import capture_logs

from app.backends.containment import Containment, Failure
from app.http.faults import AccountFault
from app.worker.stop import Stopped


def test_a_failure_is_named_and_what_it_says_stays_out() -> None:
    containment = Containment()

    with capture_logs() as logs, containment.of("day_not_archived", account="org_1:live", day="1"):
        raise ValueError("somebody's text")

    (failure,) = containment.failures
    assert (failure.account, failure.error) == ("org_1:live", "ValueError")
    assert failure.sentence.startswith("org_1:live 1: day not archived (ValueError).")
    (line,) = logs
    assert (line["event"], line["account"], line["day"]) == ("day_not_archived", "org_1:live", "1")
    assert line["at"][-1].endswith("test_a_failure_is_named_and_what_it_says_stays_out")
    assert "somebody's text" not in f"{logs}{failure}"


def test_a_fault_of_an_account_brings_its_own_reason() -> None:
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


def test_a_query_that_took_too_long_is_its_elements_failure() -> None:
    containment = Containment(lambda failure: None)

    with containment.of("day_not_archived", account="org_1:live"):
        raise ExecutionTimeout("operation exceeded time limit")

    assert len(containment.failures) == 1


@pytest.mark.parametrize("end", [AutoReconnect, Stopped, KeyboardInterrupt])
def test_an_outage_and_the_end_pass_through(end: type[BaseException]) -> None:
    containment = Containment()

    with pytest.raises(end), containment.of("day_not_archived", account="org_1:live"):
        raise end

    assert containment.failures == []
