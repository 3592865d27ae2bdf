"""The Caddyfile language: text in, frozen values with file and line out."""

from __future__ import annotations

from tornado_realtime.caddyfile.directive import Directive, Document, Site, Token
from tornado_realtime.caddyfile.formatter import format_text
from tornado_realtime.caddyfile.parser import load, parse, parse_block

__all__ = ["Directive", "Document", "Site", "Token", "format_text", "load", "parse", "parse_block"]
