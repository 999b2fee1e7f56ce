"""Plans, periods, key format, rules and authentication."""
