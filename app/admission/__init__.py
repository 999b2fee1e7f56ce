"""May they: one atomic script call decides an organization's bucket and an account's quota.

Redis is a fast copy; the ledger is the truth. `gate` decides, `seeding` fills a missing quota from
the ledger, `reconcile` mends what drifted, `ip_limits` guards routes that have no key.
"""
