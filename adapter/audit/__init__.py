"""The audit trail: BALP events and the hash chain that seals them."""

from adapter.audit.chain import REASONS, Checkpoint, Verdict, canonical, pages, seal, verify

__all__ = ["REASONS", "Checkpoint", "Verdict", "canonical", "pages", "seal", "verify"]
