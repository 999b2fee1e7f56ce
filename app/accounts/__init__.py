"""Me, API keys and plans over HTTP."""
