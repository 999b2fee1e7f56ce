"""Check a deployment from its settings to its worker, and name the next step for each finding.

Terms
    A *finding* is the result of one check: `ok`, `look` or `bad`, a sentence and a next step.

Promises

* Every check is done, whatever the others find. What an unavailable store holds is not checked, and
  a finding says so.
* A check that fails is a finding, and the others go on.
* Nothing is changed. `SET probe:{turnledger}`, which expires after a second, is the only write.
* No finding contains an address, a password or an exception's text.
"""
