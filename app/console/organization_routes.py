"""The list of organizations, and the page of one."""

from collections.abc import Mapping

from app.console.choices import chosen, page_number, words
from app.console.frame import REFRESH_S, Page, console_page
from app.console.organization_charts import organization_charts
from app.console.organization_data import OrganizationData, faulty_organization_data
from app.console.organizations_data import organizations_data
from app.console.parts import part
from app.console.usage_data import Span
from app.console.use_data import use_bars
from app.http.application import provided
from app.http.instants import format_datetime, utc_now
from app.tenancy.model import Environment, Organization
from app.tenancy.service import Organizations
from app.watch.accounts import Order


@console_page("/organizations")
def organizations() -> Page:
    """List the organizations, by the share of their most used ceiling or by name."""
    environment = chosen("environment", Environment, Environment.LIVE)
    order, number = chosen("order", Order, Order.SHARE), page_number()
    found = part(lambda: organizations_data(environment, words("q"), order, number))
    return Page(
        "organizations.html",
        {"as_of": format_datetime(utc_now()), **found},
        charts={"bars": use_bars(each["use"] for each in found.get("organizations", []))},
    )


@console_page("/organizations/<organization_id>")
def organization(organization_id: str) -> Page:
    """Show one organization in one environment."""
    return organization_page(organization_id)


def organization_page(
    organization_id: str, form: Mapping[str, object] | None = None, status: int = 200
) -> Page:
    """Return the page of an organization, with a form of it that has errors."""
    environment = chosen("environment", Environment, Environment.LIVE)
    span = chosen("days", Span, Span.DAYS_30)
    data = part(lambda: _data(organization_id, environment, span))
    is_whole = data.get("usage") is not None
    return Page(
        "organization.html",
        {**data, "form": form},
        REFRESH_S,
        status,
        charts=organization_charts(data) if is_whole else {},
    )


def _data(organization_id: str, environment: Environment, span: Span) -> dict[str, object]:
    found = provided(Organizations).get_any(organization_id)
    if isinstance(found, Organization):
        return OrganizationData(found, environment).page(span)
    return faulty_organization_data(found)
