"""Run the service on this machine with its stores, a worker and a demo."""
