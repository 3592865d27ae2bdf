"""The listener's first look at a request: two exact shapes are served at once, all else goes to Tornado."""

from tornado_realtime.fastlane.door import LaneDoor, LanePath, Trust, lane_paths
from tornado_realtime.fastlane.guard import Guard, compile_guards, open_guard

__all__ = ["Guard", "LaneDoor", "LanePath", "Trust", "compile_guards", "lane_paths", "open_guard"]
