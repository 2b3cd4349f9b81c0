"""Puts the provider in the place of Tom's plugin when it is imported."""

from .install import install

install()
