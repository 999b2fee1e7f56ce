"""`/v1/interactions` over HTTP."""

from typing import Any

from flask import Response
from flask_smorest import Blueprint

from app.access import Access, current_decision, current_principal, parse_then_admit
from app.http.body import load_body, read_object
from app.http.provide import provided
from app.http.query import NoQuery, load_query
from app.http.responses import json_response
from app.interactions.batches import read_batch, result_of
from app.interactions.model import Filters
from app.interactions.recording import Recorder
from app.interactions.schemas import (
    BatchAnswerSchema,
    BatchSchema,
    ItemSchema,
    ListQuerySchema,
    PageSchema,
    TurnSchema,
)
from app.interactions.service import InteractionService

