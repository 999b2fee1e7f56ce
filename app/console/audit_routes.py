"""The page of the audit trail."""

from flask import request

from app.audit.trail import AuditTrail
from app.console.audit_data import AuditData, read_choice
from app.console.frame import Page, console_page
from app.console.ledger_time import now
from app.http.application import provided
from app.tenancy.directory.service import Directory
from app.tenancy.service import Organizations


@console_page("/audit")
def audit() -> Page:
    """Show what operators and keys have changed, newest first."""
    services = provided(AuditTrail), provided(Organizations), provided(Directory)
    data = AuditData(*services, now).compute(read_choice(request.args))
    return Page("audit.html", data, status=400 if data["problems"] else 200)
