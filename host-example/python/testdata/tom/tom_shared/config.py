"""Settings of both halves of the system."""

import logging
from typing import Literal

from pydantic import computed_field, field_validator
from pydantic_settings import BaseSettings, YamlConfigSettingsSource


class SharedSettings(BaseSettings):
    log_level: str | int = "info"
    project_root: str = "../../../../"
    redis_host: str = "localhost"
    redis_port: int = 6379
    redis_db: int = 0
    redis_username: str | None = None
    redis_password: str | None = None
    redis_use_tls: bool = False
    redis_tls_check_hostname: bool = False
    redis_tls_cert_reqs: Literal["none", "optional", "required"] = "none"
    redis_tls_ca_certs: str | None = None
    redis_tls_certfile: str | None = None
    redis_tls_keyfile: str | None = None
    cache_default_ttl: int = 300

    @computed_field
    @property
    def redis_url(self) -> str:
        return f"redis://{self.redis_host}:{self.redis_port}/{self.redis_db}"

    @field_validator("log_level")
    @classmethod
    def level(cls, value):
        return value if isinstance(value, int) else logging.getLevelName(value.upper())

    @classmethod
    def settings_customise_sources(cls, settings_cls, init_settings, env_settings, dotenv_settings, file_secret_settings):
        return (init_settings, env_settings, dotenv_settings, YamlConfigSettingsSource(settings_cls))
