# Sourced first, from a script's own arguments: for -h and --help prints the comment at the top of
# that script and ends it. Nothing is installed for it, and no Python is started.

if [[ "${1:-}" == -h || "${1:-}" == --help ]]; then
  exec awk 'NR > 1 { if (!sub(/^# ?/, "")) exit; print }' "$0"
fi
