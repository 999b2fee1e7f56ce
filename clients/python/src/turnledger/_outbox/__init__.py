"""The outbox: turns that the ledger does not have yet, in an SQLite file or in memory.

Promises
    * A turn is in the file before its model is called, and again when it ends.
    * A turn leaves the file once the ledger has it, or once an operator removed it.
    * Each process sends the rows that it owns. Rows of a process that has ended are taken over.

Invariants
    * A process holds an OS lock on `outbox.db.owner-ID` as long as it owns rows. A frozen process
      keeps its lock, so nothing is taken from it.
    * A turn is one row. Its steps never overtake each other.

Failures
    A damaged file is renamed, and a new one is begun. A folder that cannot be written, and a
    network disk, make it an outbox in memory, with a warning. A full outbox raises OutboxFullError.
"""

from .store import Outbox

__all__ = ["Outbox"]
