"""Who is asking: organizations, plans, API keys, billing periods, authentication."""
