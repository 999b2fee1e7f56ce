"""The page's query with PyMongo and nothing around it: the limit of any Python service here."""

from typing import Any

from pymongo import MongoClient
from pymongo.read_concern import ReadConcern

from app.interactions.model import Filters
from app.interactions.query_schemas import DEFAULT_PER_PAGE
from app.interactions.store import InteractionStore
from bench.peers.looping import Asked, Round, loop

COUNT = DEFAULT_PER_PAGE + 1


def make(asked: Asked) -> Round:
    client = MongoClient[dict[str, Any]](asked["url"], tz_aware=True)
    store = InteractionStore(client.get_default_database(read_concern=ReadConcern("majority")))
    account, first = asked["account"], asked["first"]

    def page() -> None:
        if len(store.scan(account, Filters(), first, None, COUNT)) != COUNT:
            raise AssertionError("a short page")

    return page


if __name__ == "__main__":
    loop(make)
