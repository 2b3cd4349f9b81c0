"""Credential providers for network-automation workers, and hosts that launch them, in Python.

    from tom_credential import provider    # to write a provider: see provider.py
    from tom_credential import host        # to use any provider, in whatever language: see host.py

The two don't import each other. Both need Python 3.11, grpcio, protobuf and cryptography.
"""
