"""What travels between a host and a provider, as Python has it."""

import dataclasses
import datetime

from .secret import Secret

MAX_ID_BYTES = 512
MAX_BATCH = 100
PRIVATE_KEY = "private_key"  # the key of extra that allows a credential to have no password


@dataclasses.dataclass(slots=True)
class Credential:
    """What a login to a device needs. Password and extra print as [REDACTED].

    A password of None is absent, which isn't the same as empty: it is allowed only beside a private_key in extra, and a
    worker must not try an empty one then. Texts given for password and extra become Secrets.
    """

    username: str
    password: Secret | None = None
    extra: dict[str, Secret] = dataclasses.field(default_factory=dict)  # everything else that is stored with it
    version_id: str = ""  # the backend's; empty if it has no versions
    version_created: datetime.datetime | None = None  # for display: it never orders versions
    max_cache_age: datetime.timedelta | None = None  # 0: never keep it; None: the host decides
    expire_time: datetime.datetime | None = None  # when it stops working
    from_replica: bool = False  # read from a copy that may lag behind
    backend_request_id: str = ""  # for audits
    credential_id: str = ""  # the id that was asked for; a provider need not set it

    def __post_init__(self):
        if self.password is not None:
            self.password = Secret(self.password)
        self.extra = {name: Secret(value) for name, value in self.extra.items()}


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """One credential. Of version_id and version_label at most one is set; with neither it is the current version."""

    id: str
    version_id: str = ""
    version_label: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Summary:
    """One line of a listing; nothing in it is secret."""

    id: str
    description: str = ""
    last_changed: datetime.datetime | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Check:
    """One thing that a provider's Validate looked at. status is "passed", "warning", "failed" or "skipped"."""

    name: str
    status: str
    message: str = ""
    remedy: str = ""
    reason: str = ""
