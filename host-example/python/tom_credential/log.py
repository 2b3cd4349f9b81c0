"""A provider's log: one JSON object a line on standard error, in hclog's form, which hosts read."""

import contextvars
import datetime
import json
import logging
import math
import os
import sys
import threading
import traceback

TRACE = 5
LEVELS = {"trace": TRACE, "debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}

log = logging.getLogger("provider")
trace_id = contextvars.ContextVar("trace_id", default="")

_STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def set_up(level_name):
    """Sends everything that is logged to standard error. Unknown levels count as info.

    Libraries are heard from "warn" on only, whatever the level: what they say below it may be a whole answer of the
    backend, secrets and all.
    """
    level = LEVELS.get(level_name.lower(), logging.INFO)
    logging.addLevelName(TRACE, "TRACE")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Formatter())
    logging.basicConfig(handlers=[handler], level=max(level, logging.WARNING), force=True)
    log.setLevel(level)
    logging.captureWarnings(True)
    logging.raiseExceptions = False  # or a line that can't be formatted is printed with its arguments
    sys.excepthook = lambda kind, value, trace: log.error("the provider failed", exc_info=(kind, value, trace))
    threading.excepthook = lambda args: log.error("a thread failed", exc_info=args[:3])


class Formatter(logging.Formatter):
    """hclog's JSON form. Of an exception it shows type and stack, never the text, which may quote a secret."""

    def format(self, record):
        level = next((name for name, number in reversed(LEVELS.items()) if record.levelno >= number), "trace")
        line = {
            "@level": level,
            "@message": record.getMessage(),
            "@timestamp": datetime.datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="microseconds"),
            "@module": record.name,
        }
        if trace_id.get():
            line["trace_id"] = trace_id.get()
        for name, value in vars(record).items():
            if name not in _STANDARD and not name.startswith("@"):
                line[name] = value if _plain(value) else str(value)
        if record.exc_info and record.exc_info[0]:
            line["type"] = record.exc_info[0].__name__
            line["stack"] = stack(record.exc_info[2])
        return json.dumps(line)


def _plain(value):
    return value is None or isinstance(value, (bool, int, str)) or isinstance(value, float) and math.isfinite(value)


def stack(trace):
    """Where an exception came from, without what it says."""
    return "\n".join(f"{os.path.basename(f.filename)}:{f.lineno} {f.name}" for f in traceback.extract_tb(trace, limit=-20))
