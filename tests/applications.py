"""Applications on given stores."""

from flask import Flask
from pymongo import MongoClient

from app import create_app
from app.backends.backend import Backend
from app.schema import ensure_schema
from config.settings import Settings
from tests.background import without_background


def make_app(settings: Settings, backend: Backend) -> Flask:
    """Make an application on stores with the schema, which a real database has already."""
    app = without_background(create_app(settings, backend))
    app.testing = True
    if not is_live(backend):
        with app.app_context():
            ensure_schema()
    return app


def is_live(backend: Backend) -> bool:
    """Return True if the backend is on real servers."""
    return backend.database.client.__class__ is MongoClient
