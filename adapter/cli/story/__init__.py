"""The demonstration: a stage (servers, people, records) and the steps played on it."""
