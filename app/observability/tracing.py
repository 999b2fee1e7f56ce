"""Switch traces on, if the settings ask for them; off, nothing of OpenTelemetry is imported."""

from typing import TYPE_CHECKING

from config.settings import SettingsError

if TYPE_CHECKING:
    from app.observability.spans import Tracing


def start_tracing(endpoint: str) -> "Tracing | None":
    """Return what makes and sends spans to the collector at `endpoint`; None without one.

    Raises SettingsError if the libraries of the extra `otel` are not installed. Contacts nobody.
    """
    if not endpoint:
        return None
    try:
        from app.observability import spans
    except ModuleNotFoundError:
        raise SettingsError(
            "OTEL_EXPORTER_OTLP_ENDPOINT needs OpenTelemetry: install requirements-otel.txt, or "
            "unset it"
        ) from None
    return spans.Tracing(spans.exporter_to(endpoint))
