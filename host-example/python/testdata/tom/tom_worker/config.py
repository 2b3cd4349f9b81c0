"""The worker's settings, which are read when this module is imported."""

import os

from pydantic_settings import SettingsConfigDict
from tom_shared.config import SharedSettings


class Settings(SharedSettings):
    credential_plugin: str = "vault"
    concurrency: int = 10

    model_config = SettingsConfigDict(
        env_prefix="TOM_WORKER_",
        env_file=os.getenv("TOM_WORKER_ENV_FILE", "foo.env"),
        yaml_file=os.getenv("TOM_WORKER_CONFIG_FILE", "tom_worker_config.yaml"),
        case_sensitive=False,
    )


settings = Settings()
