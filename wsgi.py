"""The entry point of gunicorn and of `flask --app wsgi`."""

from app import create_app

app = create_app()
