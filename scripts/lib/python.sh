# Source this file: it finds a supported Python and starts bootstrap.py with it.
#
# The search runs outside the checkout and keeps real paths. Version managers put
# shims on PATH, whose choice depends on the working directory.
#
# The system's Python comes first: distributions build it with profile-guided optimisation, and
# version managers by default do not. To choose another one: rm -rf .venv; PYTHON=PATH scripts/run

fits='import sys, ensurepip; fits = (3, 11) <= sys.version_info[:2] <= (3, 13); fits and print(sys.executable); sys.exit(not fits)'

find_python() {
  local candidate
  for candidate in "$PWD/.venv/bin/python" "${PYTHON:-/usr/bin/python3}" python3 python3.13 python3.12 python3.11; do
    if (cd / && "$candidate" -c "$fits") 2>/dev/null; then
      return
    fi
  done
  echo "Turnledger needs Python 3.11, 3.12 or 3.13, and found none with the module ensurepip." >&2
  echo "On Debian: apt-get install -y python3 python3-venv" >&2
  return 1
}

# with_requirements FILE ARGUMENT...: replace this shell by the virtual environment's Python.
with_requirements() {
  local python
  python="$(find_python)" || exit 1
  exec "$python" scripts/lib/bootstrap.py "$@"
}
