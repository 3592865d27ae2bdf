"""Tornado's edge of the plugin: requests come in here and are judged here, once."""
