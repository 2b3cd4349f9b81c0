"""Puts the plugin and the adapters in their places, before Tom's main looks for them, where Tom is as it is known here."""

import importlib
import inspect
import sys
import types

from . import settings


class Changed(Exception):
    """Tom isn't as it is known here."""


def install():
    """Puts the provider that credential_plugin names in the place of Tom's plugin of that name, and the guard around the logins of
    both adapters. Where Tom has changed it ends the process: it would log in past the guard, and the next rotation would lock
    accounts."""
    if "tom_worker.main" in sys.modules:
        raise SystemExit("tom_credential.tom must be installed before tom_worker.main is imported")
    guarded = settings.guarded()
    try:
        _accept_more_settings()
        from . import plugin

        name = _install_plugin(plugin.make(guarded))
        if guarded:
            _install_adapters()
    except (Changed, ImportError, AttributeError) as problem:
        if isinstance(problem, ModuleNotFoundError) and "." not in (problem.name or ""):
            raise SystemExit(f"tom_credential.tom needs Tom's worker and its own libraries in one environment: {problem}") from None
        raise SystemExit(
            f"tom_credential.tom doesn't fit this version of Tom: {problem}. Update the package tom-credential"
            + (", or log in without a guard against lockouts: TOM_WORKER_LOGIN_GUARD=off" if guarded else "")
        ) from None
    return name


def _accept_more_settings():
    """Tom refuses settings that it doesn't know, in the YAML file and in the env file: those of plugins too."""
    config = importlib.import_module("tom_shared.config").SharedSettings.model_config
    config["extra"] = "ignore"


def _install_plugin(plugin):
    base = importlib.import_module("tom_worker.Plugins.base")
    name = importlib.import_module("tom_worker.config").settings.credential_plugin
    known = base.CredentialPluginManager.KNOWN_PLUGINS
    if name not in known:
        known.append(name)
    plugin.name = name
    module = types.ModuleType(f"tom_worker.Plugins.credentials.{name}", "A provider of tom_credential.")
    module.Plugin = plugin
    sys.modules[module.__name__] = module
    if base.CredentialPluginManager().load_plugin(name) is not plugin:
        raise Changed("credential plugins are found in another way")
    return name


def _install_adapters():
    from . import logins

    jobs = importlib.import_module("tom_worker.jobs")
    for guarded in (logins.NetmikoAdapter, logins.ScrapliAsyncAdapter):
        name, original = guarded.__name__, guarded.__bases__[1]
        _expect(getattr(jobs, name) is original, f"jobs don't log in with {name}")
        _expect(
            list(inspect.signature(original.__init__).parameters) == ["self", "host", "port", "device_type", "credential"],
            f"{name} takes other arguments",
        )
        _expect(
            inspect.iscoroutinefunction(original.connect) and list(inspect.signature(original.connect).parameters) == ["self"],
            f"{name}.connect is another one",
        )
        _expect(inspect.iscoroutinefunction(original.close), f"{name}.close is another one")
        setattr(jobs, name, guarded)
    for problem in logins.changed_libraries():
        raise Changed(problem)


def _expect(holds, problem):
    if not holds:
        raise Changed(problem)
