"""What a login needs."""

from dataclasses import dataclass


@dataclass
class SSHCredentials:
    credential_id: str
    username: str | None = None
    password: str | None = None
