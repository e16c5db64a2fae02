"""The guarded way out: one session per partner that cannot be lured, stalled, flooded or made to talk.

Only importer of requests and urllib3.
"""

from adapter.net.retry_after import retry_after, server_date
from adapter.net.session import Answer, GuardedSession, Limits, origin_of

__all__ = ["Answer", "GuardedSession", "Limits", "origin_of", "retry_after", "server_date"]
