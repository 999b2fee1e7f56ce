"""Tests, laid out like the application; none needs more than this machine.

unit/          one piece, without servers
contract/      the same tests on the in-memory twins and on the real servers
api/           requests and answers through the whole application, mostly on both kinds of stores
cli/           commands, as operators run them
concurrency/   threads and processes on real servers. Files that end in `_live` send HTTP to a
               service with several workers; the others need only a real Redis
live/          facts that only real servers show: query plans, validators, stored documents
faults/        outages, kills and hostile clients
architecture/  rules of the source: imports, sizes, words

callers.py, turns.py and servers.py are helpers of all tests; conftest.py has the common fixtures.
"""
