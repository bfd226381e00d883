"""The version of cairn; client/cairn.h has it, and scripts/check-python.sh compares the two."""

__version__ = "0.1.0"
