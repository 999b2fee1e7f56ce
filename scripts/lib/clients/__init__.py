"""Build, check and try the packages for producers: `scripts/build-clients`."""
