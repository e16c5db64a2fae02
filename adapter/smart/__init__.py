"""The server's half of SMART Backend Services: whether an assertion proves a client, and which keys a client has.

`proven` is pure; `KeyRing` fetches a client's JWKS through the guarded session and keeps it as long as its server says.
"""

from adapter.smart.assertion import ALGORITHMS, TYPE, Claimed, Proven, Unproven, claimed, proven, usable
from adapter.smart.keys import KeyRing, keys_of, read_keys

__all__ = ["ALGORITHMS", "Claimed", "KeyRing", "Proven", "TYPE", "Unproven", "claimed", "keys_of", "proven", "read_keys", "usable"]
