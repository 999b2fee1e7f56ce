"""One body of tests on the in-memory twins and on the real servers."""
