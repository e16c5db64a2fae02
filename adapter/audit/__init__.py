"""The audit trail: BALP events and the hash chain that seals them."""

from adapter.audit.chain import Checkpoint, Verdict, canonical, pages, seal, verify

__all__ = ["Checkpoint", "Verdict", "canonical", "pages", "seal", "verify"]
