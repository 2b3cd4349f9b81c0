"""The settings that this package needs to know itself. All others are Tom's and the agent's, who read them in the same places."""

import os

import dotenv
import yaml

_PREFIX = "TOM_WORKER_"
# A credential is to be there before the job's time, 10 s, is up.
_CALL_TIMEOUT = "8s"


def get(name, default=None):
    """A setting's value: from the environment, else the env file, else the YAML file. An empty one is none."""
    for layer in (os.environ, _env_file(), _yaml_file()):
        for key, value in layer.items():
            if key.upper() == _PREFIX + name.upper() and value not in (None, ""):
                return value
    return default


def guarded():
    """Whether logins go through the guard. YAML takes off for False."""
    return get("login_guard") is not False and str(get("login_guard", "redis")).lower() != "off"


def for_agent(plugin):
    """The environment of an agent that is started for this worker."""
    environ = dict(os.environ)
    environ[_PREFIX + "CREDENTIAL_PLUGIN"] = plugin
    if get("credential_plugin_call_timeout") is None:
        environ[_PREFIX + "CREDENTIAL_PLUGIN_CALL_TIMEOUT"] = _CALL_TIMEOUT
    if not guarded():
        for name in [name for name in environ if name.upper() == _PREFIX + "LOGIN_GUARD"]:
            del environ[name]
        environ[_PREFIX + "LOGIN_GUARD"] = "memory"  # no login goes through it
    elif get("login_guard") is None:
        environ[_PREFIX + "LOGIN_GUARD"] = "redis"
    return environ


def _env_file():
    return dotenv.dotenv_values(os.environ.get("TOM_WORKER_ENV_FILE", "foo.env"))


def _yaml_file():
    try:
        with open(os.environ.get("TOM_WORKER_CONFIG_FILE", "tom_worker_config.yaml")) as file:
            found = yaml.safe_load(file)
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as problem:
        raise SystemExit(f"the settings file can't be read: {type(problem).__name__}") from None
    return {_PREFIX + str(key): value for key, value in found.items()} if isinstance(found, dict) else {}
