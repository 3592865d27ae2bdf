"""What can this server carry, on this machine? The small load generator behind ``tornado-realtime bench``."""

from tornado_realtime.bench.options import Options
from tornado_realtime.bench.report import as_json, as_text
from tornado_realtime.bench.run import Outcome, measure
from tornado_realtime.bench.target import Target, parse_target

__all__ = ["Options", "Outcome", "Target", "as_json", "as_text", "measure", "parse_target"]
