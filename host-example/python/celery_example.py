"""A task for Celery whose logins go through the agent. README.md, "Log in from an engine's worker", says why each part is there.

celery -A celery_example worker
"""

import contextlib
import os
import socket
import time

import netmiko
import paramiko
from celery import Celery, signals

from tom_credential import agent

REDIS = os.environ.get("CELERY_REDIS", "redis://localhost:6379/0")
app = Celery("devices", broker=REDIS, backend=REDIS)
# A task whose worker dies is given to another one, at once or after the visibility timeout, which is more than a task may take.
app.conf.update(task_acks_late=True, task_reject_on_worker_lost=True, worker_prefetch_multiplier=1)
app.conf.update(task_time_limit=150, broker_transport_options={"visibility_timeout": 180})
client = None


@signals.worker_process_init.connect
def connect(**_):
    global client
    client = agent.connect()  # in each process: one from before the fork can't be used


@app.task(bind=True, max_retries=3)
def show(self, device_type, host, port, credential_id, commands, repeatable=False):
    """Returns what the commands print. A login is repeated where that may help; commands aren't, once the first was sent."""
    sent = f"commands-sent:{self.request.id}"
    if app.backend.client.exists(sent) and not repeatable:
        raise RuntimeError("INTERRUPTED: the worker died while commands were running; all, some or none of them have run")
    try:
        with client.login(credential_id, f"{host}:{port}") as attempt:
            connection = log_in(attempt, device_type, host, port)
    except (agent.Error, agent.NotPresented, OSError, paramiko.SSHException, netmiko.NetmikoBaseException) as problem:
        if isinstance(problem, agent.Error) and not problem.reason.transient:
            raise RuntimeError(f"{problem.reason}: {problem}, again after {problem.retry_delay or 0:.0f} s") from None
        raise self.retry(exc=RuntimeError(str(problem)), countdown=getattr(problem, "retry_delay", None) or 2) from None
    with connection:
        app.backend.client.set(sent, 1, ex=86400)
        return {command: connection.send_command(command) for command in commands}


def log_in(attempt, device_type, host, port):
    """Returns a connection. A refusal is what the device said: netmiko raises the same for one that is silent."""
    while True:
        with contextlib.ExitStack() as undo:
            line = undo.enter_context(socket.create_connection((host, port), timeout=10))
            line.recv(1, socket.MSG_PEEK)  # the device's first word: one that is silent needs no permit
            found = attempt.present()  # at the last moment; it may wait for a permit
            login = {"username": found.username, "password": found.password.reveal()}
            login["auth_timeout"] = max(1, attempt.report_before - time.monotonic())
            try:
                connection = netmiko.ConnectHandler(device_type=device_type, host=host, port=port, sock=line, **login)
                undo.pop_all()
                return connection
            except netmiko.NetmikoAuthenticationException as problem:
                said = problem.__context__
                if type(said) is not paramiko.AuthenticationException or str(said) != "Authentication failed.":
                    raise
        if not attempt.refused():  # the backend has no other password, yet
            raise RuntimeError(f"{host}:{port} refuses the login with credential {attempt.id}") from None
