"""The overview, part by part: each module computes the data of one part of the page.

| file | its subject |
| --- | --- |
| `query.py` | the range and the threshold of the page |
| `traffic.py` | requests, refusals and answer times by step |
| `near.py`, `limited.py` | organizations near a ceiling, and limited ones |
| `health.py` | whether the service serves, its checks, the lag of the archive |
| `drawings.py` | the charts of all these |
"""
