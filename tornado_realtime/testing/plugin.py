"""The pytest plugin: loaded by pytest itself, so nothing heavy is imported before a test asks for it."""

from __future__ import annotations
