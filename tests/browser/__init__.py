"""The pages in a real browser: `scripts/browser` runs these tests, `scripts/test` does not."""
