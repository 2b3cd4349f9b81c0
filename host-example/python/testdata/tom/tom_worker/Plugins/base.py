"""Credential plugins, and how the selected one is found."""

import importlib
from abc import ABC, abstractmethod

from pydantic_settings import BaseSettings


class PluginSettings(BaseSettings):
    pass


class CredentialPlugin(ABC):
    name: str
    dependencies: list[str] = []
    settings_class: type[PluginSettings] | None = None

    @abstractmethod
    def __init__(self, plugin_settings, main_settings): ...

    @abstractmethod
    async def get_ssh_credentials(self, credential_id): ...

    @abstractmethod
    async def list_credentials(self): ...

    @abstractmethod
    async def validate(self): ...


class CredentialPluginManager:
    KNOWN_PLUGINS = ["vault", "yaml", "aws_secrets_manager"]

    def load_plugin(self, plugin_name):
        if plugin_name not in self.KNOWN_PLUGINS:
            raise ValueError(f"unknown credential plugin {plugin_name}")
        module = importlib.import_module(f"tom_worker.Plugins.credentials.{plugin_name}")
        for name in dir(module):
            found = getattr(module, name)
            if isinstance(found, type) and issubclass(found, CredentialPlugin) and found is not CredentialPlugin:
                for package in found.dependencies:
                    importlib.import_module(package)
                return found
        raise ValueError("no plugin in the module")

    def initialize_credential_plugin(self, plugin_name, settings):
        plugin = self.load_plugin(plugin_name)
        return plugin(plugin.settings_class() if plugin.settings_class else None, settings)
