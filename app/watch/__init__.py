"""Show operators what happens: which organizations are near a ceiling, and which are limited.

Each answer is a value that a command and a page of the console share.

Promises

* Looking charges no bucket, seeds no counters and changes nothing.
* A question over all organizations costs one query of MongoDB and one round trip to Redis for each
  1,000 accounts.
* What is not known is left out and counted, never shown as 0.
"""
