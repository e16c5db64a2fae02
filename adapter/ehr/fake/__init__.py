"""A public double of an EHR: see server.py for the class, faults.py for what can go wrong, tokens.py for who may come in."""

from adapter.ehr.fake.faults import Fault
from adapter.ehr.fake.server import FakeEhr, Recorded, serve
from adapter.ehr.fake.tokens import Guard, HeaderGuard, TokenGuard

__all__ = ["FakeEhr", "Fault", "Guard", "HeaderGuard", "Recorded", "TokenGuard", "serve"]
