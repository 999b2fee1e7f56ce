"""Benchmarks: each case of the service beside a peer that does the same job with less.

`scripts/bench` runs cases on real servers of its own; `scripts/bench growth` and
`scripts/bench instructions` answer two questions of their own.

Rules:

- Our side and the peer's side alternate (`pairs.py`). The result is the median of the ratios, which
  a busy machine changes less than single figures.
- A case may have a floor. The exit status is 1 if a floor does not hold.
- A case checks its own answers. It raises AssertionError, and prints no figure, if one is wrong.
- Every server, database and file of a run ends with the run.
"""
