"""The listener's first look at a request: two exact shapes are served at once, all else goes to Tornado."""

from tornado_realtime.fastlane.door import LaneDoor
from tornado_realtime.fastlane.plan import LanePath, LanePlan, lane_paths, publish_paths

__all__ = ["LaneDoor", "LanePath", "LanePlan", "lane_paths", "publish_paths"]
