"""Register `/openapi.json`, the routes that it describes, and the pages."""

import flask
from flask import Flask, Response
from flask_smorest import Blueprint

from app.reference import assets, overview, pages
from app.reference.document import document


def init_app(app: Flask, blueprints: tuple[Blueprint, ...]) -> None:
    """Register the routes of `blueprints`, the document that describes them, and the pages."""
    published = flask.Blueprint("api-docs", __name__)

    @published.get("/openapi.json")
    def openapi_json() -> Response:
        return Response(document(blueprints), mimetype="application/json")

    overview.init_app(app, blueprints)
    for each in (published, *blueprints, pages.blueprint, assets.blueprint):
        app.register_blueprint(each)
