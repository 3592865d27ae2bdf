"""Redis Cluster, and Sentinels: shards, and who of them serves what.

::

    cluster     a shard for every primary; every channel where it belongs
    detour      publications that a node sent back, until it is known where they belong
    scout       asks who serves what, again and again
    guide       whom it asks what: nodes of a cluster, or Sentinels
    topology    what a node of a cluster answers to that
    sentinels   what a Sentinel answers
"""

from __future__ import annotations

from tornado_realtime.brokers.redis.cluster.cluster import Cluster

__all__ = ["Cluster"]
