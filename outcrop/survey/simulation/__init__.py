"""Physically simulated survey sites: ground, light and sensors, with the truth of every pixel known."""
