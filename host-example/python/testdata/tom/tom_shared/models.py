"""Jobs as the controller sends them."""

from typing import Literal

from pydantic import BaseModel, Field


class StoredCredential(BaseModel):
    type: Literal["stored"] = "stored"
    credential_id: str


class InlineSSHCredential(BaseModel):
    type: Literal["inlineSSH"] = "inlineSSH"
    username: str
    password: str = Field(None, repr=False)


class SendCommandModel(BaseModel):
    host: str
    port: int
    device_type: str
    commands: list[str]
    credential: StoredCredential | InlineSSHCredential = Field(discriminator="type")
    use_cache: bool = True
    max_queue_wait: int = 300
