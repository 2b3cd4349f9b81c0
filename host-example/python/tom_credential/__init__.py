"""Credential providers for network-automation workers, and hosts that launch them, in Python.

    from tom_credential import provider    # to write a provider: see provider.py
    from tom_credential import host        # to use any provider, in whatever language: see host.py
    from tom_credential import agent       # to log in through an agent: see agent.py

They don't import each other. All need Python 3.11, grpcio, protobuf and cryptography.
"""

__version__ = "1.0.0"
