"""Search and count organizations and keys of the whole service, for operators."""
