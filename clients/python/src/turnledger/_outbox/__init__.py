"""Keep every turn until the ledger has stored it.

A turn is one row. It is written **before** the model is called, and again when it ends; so the
ledger also learns of calls whose process was killed. States:

* open: the block runs. If its process dies, the row is recorded as `producer_lost`.
* record, complete, cancel: the turn waits for the sender.
* refused: the ledger will never take it. It is kept with the reason, and exported.

`store` keeps rows in a SQLite file that processes share, `memory` keeps them for one process;
`base` is what both do. `table` is the SQL, `owners` the locks that say which process lives,
`forks` closes what a child must not inherit. `export` writes refused turns for an import, and
`adopting` reads damaged files.
"""
