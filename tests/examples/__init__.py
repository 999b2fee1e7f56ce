"""Record the examples of the OpenAPI document: `.venv/bin/python -m tests.examples`.

The application runs on its in-memory twins, with a clock that stands still and the same random
numbers each time. So a second run gives the same files, and `tests/api/test_examples.py` compares.
"""
