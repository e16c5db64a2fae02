"""The engine that keeps Liaison and the EHRs in step: push, pull, merge, retry and the jobs that run them."""
