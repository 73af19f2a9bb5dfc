"""Adapting a student to a new site with a handful of labels; see ``docs/onboarding.md`` for the ladder of ways."""
