"""How it is proved: digests and reports. Imports nothing of outcrop but its errors."""
