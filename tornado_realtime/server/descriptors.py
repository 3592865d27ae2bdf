"""How many sockets this process may hold."""

from __future__ import annotations

import logging
import resource

logger = logging.getLogger(__name__)


def raise_limit() -> int:
    """Raise the soft limit of open descriptors to the hard one; the limit in force afterwards."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
        except (OSError, ValueError) as error:
            logger.warning("the limit of %d open descriptors cannot be raised: %s", soft, error)
    return soft


def tell_limit(limit: int) -> None:
    """Say how many there may be."""
    logger.info("up to %s open descriptors", "any number of" if limit == resource.RLIM_INFINITY else limit)
