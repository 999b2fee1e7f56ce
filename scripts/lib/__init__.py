"""Implement the scripts: setting up Python, the local run and the replay."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
