"""The demonstration: a stage (doors, an EHR, people with tokens), a case (whose referral it is) and the steps played on it."""
