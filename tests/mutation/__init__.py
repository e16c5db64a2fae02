"""Mutation testing: small faults put into the code and the tables that decide, each to be found by the tests."""
