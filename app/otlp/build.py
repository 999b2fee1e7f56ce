"""Make the receiver of spans."""

from app.interactions.recording import Recorder
from app.otlp.mapping import Sources
from app.otlp.service import SpanReceiver
from config.settings import Settings


def build_otlp(settings: Settings, recorder: Recorder) -> SpanReceiver:
    """Make the receiver; the settings name the attributes of participants."""
    sources = Sources(
        user=settings.otlp_user_attributes,
        relationship=settings.otlp_relationship_attributes,
        personality=settings.otlp_personality_attributes,
        default_personality=settings.otlp_default_personality,
    )
    return SpanReceiver(recorder, sources)
