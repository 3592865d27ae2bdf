"""Redis Cluster: many shards, and who of them serves what.

::

    cluster     a shard for every primary; every channel where it belongs
    detour      publications that a node sent back, until it is known where they belong
    scout       asks who serves what, again and again
    topology    what a node answers to that
"""

from __future__ import annotations

from tornado_realtime.brokers.redis.cluster.cluster import Cluster

__all__ = ["Cluster"]
