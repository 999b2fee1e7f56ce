"""Tests, laid out like the application; none needs more than this machine.

unit/          one piece, without servers
contract/      one body of tests on the in-memory twins and on the real servers
api/           requests and answers through the whole application, mostly on both kinds of stores
cli/           commands as an operator types them
concurrency/   many at once: threads and processes on real servers. Files that end in `_live` go
               over HTTP to a service with several workers; the others need a real Redis alone
live/          one at a time, what only the real servers can show: plans of queries, validators,
               what truly lies in the stores
faults/        while something breaks
architecture/  laws of the house, read from the source

callers.py, turns.py and servers.py are what tests are made of; conftest.py starts the servers.
"""
