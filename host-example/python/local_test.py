"""Tests of tom_credential.local, with real agents. The Go test beside it says in the environment where its parts are."""

import asyncio
import concurrent.futures
import contextlib
import glob
import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

from tom_credential import agent, local
from tom_credential.agent import Error, Reason

DEVICE = "10.0.0.1:22"


def processes(socket):
    """The agents that serve, or want to serve, at a socket."""
    found = []
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            with open(path, "rb") as file:
                if os.fsencode(socket) in file.read().split(b"\0"):
                    found.append(int(path.split("/")[2]))
    return found


def first_get(environ, ready, go, result):
    """A worker, in its own process."""
    client = agent.connect(environ=environ)
    ready.set()
    go.wait(60)
    try:
        result.put((client.socket, client.get("lab", timeout=60).username))
    except Error as problem:
        result.put((client.socket, str(problem)))
    client.close()


class LocalTest(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(dir="/tmp")
        self.environ = dict(os.environ, XDG_RUNTIME_DIR=self.directory, TOM_AGENT_PROGRAM=os.environ["TEST_HOST_EXAMPLE"])
        self.environ.pop("TOM_AGENT_SOCKET", None)
        self.sockets = set()
        self.addCleanup(shutil.rmtree, self.directory)
        self.addCleanup(self.end)

    def end(self):
        for path in glob.glob(os.path.join(self.directory, "tom-agent", "*.lock")):
            for pid in processes(path.removesuffix(".lock")):
                with contextlib.suppress(ProcessLookupError):  # it has just exited
                    os.kill(pid, signal.SIGCONT)
                    os.kill(pid, signal.SIGTERM)
            self.eventually("agents are left", lambda path=path: not processes(path.removesuffix(".lock")))

    def eventually(self, what, happened):
        end = time.monotonic() + 60
        while not happened():
            self.assertLess(time.monotonic(), end, what)
            time.sleep(0.02)

    def connect(self, **changes):
        client = agent.connect(environ=dict(self.environ, **changes))
        self.addCleanup(client.close)
        return client

    def serving(self, client):
        self.assertEqual(client.get("lab", timeout=60).username, "admin")
        (pid,) = processes(client.socket)
        return pid

    def test_start_and_end(self):
        """It is started, shared by clients with the same settings, in its own session, and exits when they have gone."""
        starter = local.Starter(environ=self.environ, linger="300ms")
        client = agent.Client(starter.socket, starter)
        pid = self.serving(client)
        self.assertEqual(os.getsid(pid), pid)
        with agent.Client(starter.socket) as other:
            self.assertEqual(other.get("lab").username, "admin")
        directory = os.path.dirname(client.socket)
        self.assertEqual(os.stat(directory).st_mode & 0o777, 0o700)
        client.close()
        self.eventually("the agent exits", lambda: not processes(client.socket))
        self.assertEqual({name.rpartition(".")[2] for name in os.listdir(directory)}, {"key", "lock", "log"}, "what outlives an agent")

    def test_names(self):
        """The same settings have one agent, others have others, and a terminal makes no difference."""
        names = [self.connect().socket, self.connect(SHLVL="7", SSH_TTY="/dev/pts/7", PWD="/").socket]
        self.assertEqual(len(set(names)), 1)
        changed = os.path.join(self.directory, "worker.yaml")
        shutil.copy(self.environ["TOM_WORKER_CONFIG_FILE"], changed)
        names += [self.connect(AWS_REGION="eu-west-1").socket, self.connect(TOM_WORKER_CONFIG_FILE=changed).socket]
        with open(changed, "a") as file:
            file.write("log_level: debug\n")
        names += [self.connect(TOM_WORKER_CONFIG_FILE=changed).socket, self.connect(XDG_RUNTIME_DIR="").socket]
        program = os.path.join(self.directory, "host-example")
        shutil.copy(self.environ["TOM_AGENT_PROGRAM"], program)
        names.append(self.connect(TOM_AGENT_PROGRAM=program).socket)
        self.assertEqual(len(set(names)), 6)
        self.assertNotIn("eu-west-1", " ".join(names))

    def test_named(self):
        self.assertEqual(self.connect(TOM_AGENT_SOCKET="/run/tom-agent/agent.sock").socket, "/run/tom-agent/agent.sock")

    def test_many_starters(self):
        """Six workers start at once: one agent serves them all."""
        context = multiprocessing.get_context("spawn")
        go, results, ready = context.Event(), context.Queue(), [context.Event() for _ in range(6)]
        workers = [context.Process(target=first_get, args=(self.environ, each, go, results)) for each in ready]
        for worker in workers:
            worker.start()
        for each in ready:
            self.assertTrue(each.wait(60))
        go.set()
        got = [results.get(timeout=60) for _ in workers]
        for worker in workers:
            worker.join()
        self.assertEqual({name for _, name in got}, {"admin"})
        (path,) = {path for path, _ in got}
        self.eventually("one agent serves", lambda: len(processes(path)) == 1)

    def test_kill(self):
        """A killed agent, and the socket that it left, are replaced. A permit that was open is reported on."""
        client = self.connect()
        with client.login("lab", DEVICE) as attempt:
            pid = self.serving(client)
            attempt.present()
            os.kill(pid, signal.SIGKILL)
            self.eventually("it has gone", lambda: pid not in processes(client.socket))
            self.assertTrue(os.path.exists(client.socket))
            self.assertNotEqual(self.serving(client), pid)
        with client.login("lab", DEVICE) as attempt:
            attempt.present()

    def test_stale_socket(self):
        """What a machine that lost its power has left."""
        client = self.connect()
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(client.socket)
        self.serving(client)

    def test_just_ending(self):
        """Clients that come while agents exit find the next one."""
        starter = local.Starter(environ=self.environ, linger="1ms")
        pids, end = set(), time.monotonic() + 60
        while len(pids) < 3:
            self.assertLess(time.monotonic(), end, "no agent ended")
            with agent.Client(starter.socket, starter) as client:
                self.assertEqual(client.get("lab", timeout=60).username, "admin")
                pids.update(processes(starter.socket))

    def test_terminated(self):
        """An agent that was told to exit takes the report on a permit that is out; others find the next one at once."""
        client = self.connect()
        pid = self.serving(client)
        with client.login("lab", DEVICE) as attempt:
            attempt.present()
            os.kill(pid, signal.SIGTERM)
            self.eventually("it listens no more", lambda: not os.path.exists(client.socket))
            other = self.connect()
            with other.login("lab", "10.0.0.2:22") as second:
                second.present()
            self.assertEqual(len(processes(client.socket)), 2)
            attempt.accepted()
        self.eventually("it exits", lambda: pid not in processes(client.socket))

    def test_many_calls(self):
        """Fifty threads find a stopped agent replaced, as soon as one does."""
        client = self.connect()
        pid = self.serving(client)
        os.kill(pid, signal.SIGSTOP)
        with concurrent.futures.ThreadPoolExecutor(50) as threads:
            names = {found.username for found in threads.map(lambda _: client.get("lab", timeout=30), range(50))}
        self.assertEqual(names, {"admin"})
        self.assertNotIn(pid, processes(client.socket))

    def test_asyncio(self):
        """The same for asyncio, whose loop goes on."""

        async def read():
            async with agent.connect_async(environ=self.environ) as client:
                names = await asyncio.gather(*(client.get("lab", timeout=60) for _ in range(10)))
                (pid,) = processes(client.socket)
                os.kill(pid, signal.SIGKILL)
                names.append(await client.get("lab", timeout=60))
                (pid,) = processes(client.socket)
                os.kill(pid, signal.SIGSTOP)
                names += await asyncio.gather(*(client.get("lab", timeout=60) for _ in range(50)))
                return {found.username for found in names}

        self.assertEqual(asyncio.run(read()), {"admin"})

    def test_fork(self):
        """A process made with fork starts none for its parent's client, and its own client finds the agent."""
        client = self.connect()
        pid = self.serving(client)
        context = multiprocessing.get_context("fork")
        result = context.SimpleQueue()

        def child():
            try:
                client.get("lab")
            except Error as problem:
                result.put(problem.reason.value)
            result.put(agent.connect(environ=self.environ).socket)

        process = context.Process(target=child)
        process.start()
        self.assertEqual([result.get(), result.get()], ["UNSUPPORTED", client.socket])
        process.join(60)
        self.assertEqual(processes(client.socket), [pid])

    def test_wrong_settings(self):
        client = self.connect(TOM_WORKER_CREDENTIAL_PLUGIN="", TOM_WORKER_CONFIG_FILE="/dev/null")
        with self.assertRaises(Error) as raised:
            client.get("lab", timeout=60)
        self.assertIs(raised.exception.reason, Reason.SETTINGS_INVALID)
        self.assertIn("credential_plugin", str(raised.exception))

    def test_no_program(self):
        with self.assertRaises(Error) as raised:
            self.connect(TOM_AGENT_PROGRAM="/nowhere/host-example")
        self.assertIn("TOM_AGENT_SOCKET", raised.exception.help[0])

    def test_foreign_directory(self):
        os.mkdir(os.path.join(self.directory, "tom-agent"), 0o755)
        with self.assertRaises(Error) as raised:
            self.connect()
        self.assertIn("0700", str(raised.exception))

    def test_ended_worker(self):
        """The agent outlives its first worker, and holds none of its files open."""
        script = "import sys; from tom_credential import agent; print(agent.connect().get('lab', timeout=60).username)"
        done = subprocess.run([sys.executable, "-c", script], env=self.environ, capture_output=True, text=True, timeout=60)
        self.assertEqual((done.stdout, done.returncode), ("admin\n", 0), done.stderr)
        self.assertTrue(processes(self.connect().socket))


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
