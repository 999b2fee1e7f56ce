"""Hold the SQL of the outbox: it needs nothing that SQLite 3.24 lacks."""

APPLICATION_ID = 0x544C4544
VERSION = 1
BUSY_TIMEOUT_S = 5.0
# After one such wait was in vain.
BRIEF_TIMEOUT_S = 0.05

CREATE_ACCOUNT = """
CREATE TABLE IF NOT EXISTS account (
  fingerprint TEXT PRIMARY KEY, base_url TEXT, environment TEXT, organization_id TEXT
) WITHOUT ROWID"""
CREATE_TURN = """
CREATE TABLE IF NOT EXISTS turn (
  seq INTEGER PRIMARY KEY, account TEXT NOT NULL, turn_id TEXT NOT NULL, interaction_id TEXT,
  state INTEGER NOT NULL, owner TEXT NOT NULL, body TEXT NOT NULL, created_ms INTEGER NOT NULL,
  due_ms INTEGER NOT NULL DEFAULT 0, tries INTEGER NOT NULL DEFAULT 0, refusal TEXT
)"""
CREATE = (
    CREATE_ACCOUNT,
    CREATE_TURN,
    f"PRAGMA application_id={APPLICATION_ID}",
    f"PRAGMA user_version={VERSION}",
)
# Only the sender checkpoints, so that no caller waits for the disk.
SETTINGS = ("PRAGMA journal_mode=WAL", "PRAGMA wal_autocheckpoint=0")
CHECKPOINT = "PRAGMA wal_checkpoint(PASSIVE)"

TURN = "seq, turn_id, interaction_id, state, body, created_ms, due_ms, tries, refusal"
INSERT = (
    "INSERT INTO turn (seq, account, turn_id, interaction_id, state, owner, body, created_ms)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
END = "UPDATE turn SET state=?, body=? WHERE seq=? AND owner=?"
POSTPONE = "UPDATE turn SET due_ms=?, tries=tries+1 WHERE seq=? AND owner=?"
REFUSE = "UPDATE turn SET state=4, refusal=? WHERE seq=? AND owner=?"
DELETE = "DELETE FROM turn WHERE seq=? AND owner=?"

COUNT = "SELECT count(*) FROM turn"
REFUSED_SEQS = "SELECT seq FROM turn WHERE state=4 ORDER BY seq LIMIT ?"
WAITING_BODIES = "SELECT seq, state, body FROM turn WHERE state IN (1, 2, 3) ORDER BY seq"
DISCARD = "DELETE FROM turn WHERE seq=?"

# Rows of this account, and of keys that `/v1/me` places in the same organization and environment.
MINE = """account IN (
  SELECT ? UNION SELECT other.fingerprint FROM account AS other JOIN account AS own
  ON other.base_url=own.base_url AND other.organization_id=own.organization_id
  AND other.environment=own.environment WHERE own.fingerprint=?
)"""
COUNTS = f"SELECT state, count(*) FROM turn WHERE {MINE} GROUP BY state"  # noqa: S608
REFUSED = f"SELECT {TURN} FROM turn WHERE state=4 AND {MINE} ORDER BY seq"  # noqa: S608
OWNERS = f"SELECT DISTINCT owner FROM turn WHERE state<>4 AND {MINE}"  # noqa: S608
OWNED = f"SELECT seq FROM turn WHERE owner=? AND state<>4 AND {MINE}"  # noqa: S608
# An open turn of a dead process is recorded, or completed if it was reserved.
TAKE_OVER = f"""
UPDATE turn SET owner=?, account=?, due_ms=0, state=CASE
  WHEN state<>0 THEN state WHEN interaction_id IS NULL THEN 1 ELSE 2 END
WHERE owner=? AND state<>4 AND {MINE}"""  # noqa: S608
LEFT_BY = "SELECT count(*) FROM turn WHERE owner=? AND state<>4"

ADD_ACCOUNT = "INSERT OR IGNORE INTO account (fingerprint, base_url) VALUES (?, ?)"
COPY_ACCOUNT = (
    "INSERT OR IGNORE INTO account (fingerprint, base_url, environment, organization_id)"
    " VALUES (?, ?, ?, ?)"
)
IDENTIFY = "UPDATE account SET organization_id=?, environment=? WHERE fingerprint=?"
IDENTITY = "SELECT organization_id FROM account WHERE fingerprint=?"
ADOPT = "UPDATE turn SET account=?, created_ms=?, tries=?, refusal=? WHERE seq=?"


def select_rows(count: int) -> str:
    """Return the query that reads `count` rows by their seq."""
    marks = ",".join("?" * count)
    return f"SELECT {TURN} FROM turn WHERE seq IN ({marks}) ORDER BY seq"  # noqa: S608
