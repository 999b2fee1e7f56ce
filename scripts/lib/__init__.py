"""The parts of the scripts."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
