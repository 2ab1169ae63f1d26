"""The path of the repository."""

from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
