"""Prefect tasks, one module a step: read, call outcrop, write."""
