"""Outcrop teaches a cheap camera what expensive sensors know about rocks."""

from importlib.metadata import version

__version__ = version("outcrop")
