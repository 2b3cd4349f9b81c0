"""Tests of tom_credential.agent, with a real agent. The Go test beside it says in the environment where its parts are."""

import asyncio
import contextlib
import inspect
import json
import multiprocessing
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import types
import typing
import unittest
import unittest.mock
import urllib.request

from tom_credential import agent, prompt
from tom_credential.agent import Error, Reason, Refused

HOST_EXAMPLE = os.environ["TEST_HOST_EXAMPLE"]
CANARY = "canary-"
DEVICE = "10.0.0.1:22"
CLASSES = (agent.Client, agent.AsyncClient, agent.Login, agent.AsyncLogin)


class Agent:
    """A process of host-example agent, at the socket of a directory."""

    def __init__(self, directory, environ):
        self.environ = {**os.environ, **environ}
        self.socket = os.path.join(directory, "agent.sock")
        self.log = os.path.join(directory, "log")
        self.start()

    def start(self):
        with open(self.log, "a") as log:
            self.process = subprocess.Popen(
                [HOST_EXAMPLE, "agent", "--socket", self.socket], cwd="/", env=self.environ, stderr=log, stdin=subprocess.DEVNULL
            )

    def end(self):
        self.process.terminate()
        self.process.wait()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def metric(self, name):
        with open(self.log) as log:
            address = re.findall(r"address=(127\.0\.0\.1:\d+)", log.read())[-1]
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
            return sum(float(line.rpartition(" ")[2]) for line in answer.read().decode().splitlines() if re.match(rf"{name}[ {{]", line))


class AgentTest(unittest.TestCase):
    environ: typing.ClassVar = {}  # what the agent has in it besides

    def setUp(self):
        directory = tempfile.TemporaryDirectory(dir="/tmp")
        self.addCleanup(directory.cleanup)
        self.agent = Agent(directory.name, self.environ)
        self.addCleanup(self.agent.end)
        self.client = agent.connect(self.agent.socket)
        self.addCleanup(self.client.close)
        self.client.get("lab", timeout=60)  # it serves

    @contextlib.contextmanager
    def refused(self, reason, says=""):
        with self.assertRaises(Error) as raised:
            yield raised
        problem = raised.exception
        self.assertIs(problem.reason, reason, problem)
        self.assertIn(says, str(problem))
        self.assertNotIn(CANARY, "".join(traceback.format_exception(problem)))

    def permits(self):
        return self.agent.metric("tom_credential_login_permits")

    def eventually(self, what, happened):
        end = time.monotonic() + 30
        while not happened():
            self.assertLess(time.monotonic(), end, what)
            time.sleep(0.02)


class TestTypes(unittest.TestCase):
    def test_types(self):
        """What a worker calls is typed, as py.typed promises."""
        methods = [method for c in CLASSES for name, method in vars(c).items() if name[0] != "_" and callable(method)]
        for one in (agent.connect, agent.connect_async, *methods):
            hints = typing.get_type_hints(one, vars(agent))
            self.assertIn("return", hints, one)
            for name in inspect.signature(one).parameters:
                self.assertTrue(name == "self" or name in hints, f"{one} {name}")


class TestReads(AgentTest):
    def test_reads(self):
        found = self.client.get("lab")
        self.assertEqual((found.username, found.password.reveal()), ("admin", "canary-4711"))
        self.assertNotIn(CANARY, f"{found!r} {self.client!r}")
        self.assertEqual({summary.id for summary in self.client.list()}, {"lab", "core"})
        first, second = self.client.get_batch(["core", "absent"])
        self.assertEqual((first.username, second.reason), ("netops", Reason.CREDENTIAL_NOT_FOUND))
        self.assertEqual(self.agent.metric("tom_agent_connections"), 1)
        self.assertIn("read", {check.name for check in self.client.validate("lab")})
        with self.refused(Reason.CREDENTIAL_NOT_FOUND, "absent") as raised:
            self.client.get("absent")
        self.assertTrue(raised.exception.help)
        self.assertFalse(raised.exception.reason.transient)

    def test_async_reads(self):
        async def read():
            async with agent.connect_async(self.agent.socket) as client:
                found, listed, many = await asyncio.gather(client.get("lab"), client.list(), client.get_batch(["core", "absent"]))
                with self.refused(Reason.CREDENTIAL_NOT_FOUND, "absent"):
                    await client.get("absent")
                checks = await client.validate()
                return found.username, {summary.id for summary in listed}, many[0].username, len(checks) > 0

        self.assertEqual(asyncio.run(read()), ("admin", {"lab", "core"}, "netops", True))

    def test_closed(self):
        self.client.close()
        with self.refused(Reason.CANCELLED, "closed"):
            self.client.get("lab")

    def test_fork(self):
        context = multiprocessing.get_context("fork")
        result, other = context.Pipe(duplex=False)

        def child():
            try:
                self.client.get("lab")
            except Error as problem:
                other.send((problem.reason.value, problem.help))

        process = context.Process(target=child)
        process.start()
        self.assertTrue(result.poll(30))
        reason, help = result.recv()
        process.join()
        self.assertEqual(reason, "UNSUPPORTED")
        self.assertIn("connect", help[0])


class TestLooks(unittest.TestCase):
    def test_looks(self):
        """Where no agent is, a call looks for one often enough to find a new one within half a second, until its time is up."""
        looks, clock = [], [0.0]

        def sleep(seconds):
            looks.append(seconds)
            clock[0] += seconds

        with (
            unittest.mock.patch.object(agent, "time", types.SimpleNamespace(monotonic=lambda: clock[0], sleep=sleep)),
            agent.connect("/nowhere/agent.sock") as client,
            # The time in this test is the clock's alone: on a busy machine gRPC takes longer than the call has left.
            unittest.mock.patch.object(client, "_answer", lambda stub, message, _: stub(message, timeout=60)),
            self.assertRaises(Error) as raised,
        ):
            client.get("lab", timeout=5)
        self.assertIs(raised.exception.reason, Reason.PROVIDER_UNRESPONSIVE)
        self.assertAlmostEqual(clock[0], 5, delta=0.1)
        # What gRPC waits between two connections is up to a fifth longer.
        longest = max(looks) + 1.2 * dict(agent._OPTIONS)["grpc.max_reconnect_backoff_ms"] / 1000
        self.assertLess(longest, 0.5)


class TestLateMaterial(unittest.TestCase):
    def test_late_material(self):
        """What comes when the block of its login has ended, and has reported that nothing was presented, isn't handed out."""
        reports, come = [], asyncio.Event()

        class Agent:
            async def _call(self, method, message, timeout):
                if method == "Present":
                    await come.wait()
                    return agent.wire.guard.PresentResponse(permit=b"permit")
                reports.append(message.answer)

        async def ask():
            async with agent.AsyncLogin(Agent(), "lab", DEVICE) as attempt:
                asking = asyncio.create_task(attempt.present())
                await asyncio.sleep(0)
            come.set()
            with self.assertRaises(Error) as raised:
                await asking
            self.assertIs(raised.exception.reason, Reason.CANCELLED)

        asyncio.run(ask())
        self.assertEqual(reports, [agent._Answer.NOT_PRESENTED])


class TestEndOfRefused(unittest.TestCase):
    def test_end(self):
        """A block that ends with Refused doesn't wait for other material, which it wouldn't use."""
        waits = []

        class Agent:
            def _call(self, method, message, timeout):
                if method == "Present":
                    return agent.wire.guard.PresentResponse(permit=b"permit")
                waits.append((message.answer, timeout))

        for kind in (Refused, agent.AskedMore):
            with self.assertRaises(kind), agent.Login(Agent(), "lab", DEVICE) as attempt:
                attempt.present()
                raise kind
        self.assertEqual([answer for answer, _ in waits], [agent._Answer.REFUSED, agent._Answer.ASKED_MORE])
        self.assertLess(waits[0][1], waits[1][1])


class StoppedTest(AgentTest):
    def stopped_client(self):
        """A client that was stopped, with a permit for a login at another device. That the material is right is known."""
        self.login(DEVICE)
        script = """if True:
            import os, signal, sys
            from tom_credential import agent
            with agent.connect(sys.argv[1]) as client, client.login("lab", "10.0.0.9:22") as attempt:
                attempt.present()
                os.kill(os.getpid(), signal.SIGSTOP)
        """
        process = subprocess.Popen([sys.executable, "-c", script, self.agent.socket])
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.assertEqual(os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT).si_code, os.CLD_STOPPED)
        return process

    def login(self, device):
        with self.client.login("lab", device) as attempt:
            attempt.present()


class TestStopped(StoppedTest):
    environ: typing.ClassVar = {"TOM_WORKER_SSH_LOGIN_TIMEOUT": "10m"}

    def test_stopped_client(self):
        """A client that is stopped while it holds a permit keeps others neither from reads, nor from logins at devices that are known
        to accept the material."""
        self.addCleanup(self.agent.kill)  # its end would wait for the permit
        self.stopped_client()
        for _ in range(20):
            self.assertEqual(self.client.get("lab").username, "admin")
            self.login(DEVICE)
        self.eventually("the permit of the stopped client is left", lambda: self.permits() == 1)


class TestStoppedFor(StoppedTest):
    environ: typing.ClassVar = {"TOM_WORKER_SSH_LOGIN_TIMEOUT": "3s"}

    def test_time(self):
        """Its permit ends with its time, and devices that are not known get their turn. Its own report may come when it goes on."""
        stopped = self.stopped_client()
        self.login("10.0.0.3:22")
        self.eventually("its permit is left", lambda: self.permits() == 0)
        self.assertGreaterEqual(self.agent.metric("tom_credential_logins_unanswered_total"), 1)
        stopped.send_signal(signal.SIGCONT)
        self.assertEqual(stopped.wait(60), 0)


class TestLogins(AgentTest):
    def test_answers(self):
        with self.client.login("lab", DEVICE) as attempt:
            self.assertEqual(attempt.present().password.reveal(), "canary-4711")
            self.assertGreater(attempt.report_before, time.monotonic())
            self.assertEqual(self.permits(), 1)
        self.eventually("permits are left", lambda: self.permits() == 0)
        with self.client.login("lab", DEVICE) as attempt:
            attempt.present()
            attempt.accepted()
            self.eventually("permits are left", lambda: self.permits() == 0)
            with self.refused(Reason.REQUEST_INVALID, "no material"):
                attempt.accepted()
        with self.assertRaises(ConnectionError), self.client.login("lab", DEVICE):
            raise ConnectionError  # nothing was presented
        self.assertEqual(self.agent.metric("tom_credential_logins_unanswered_total"), 0)
        with self.assertRaises(ConnectionError), self.client.login("lab", DEVICE) as attempt:
            attempt.present()
            raise ConnectionError
        self.eventually("permits are left", lambda: self.permits() == 0)

    def test_refusal(self):
        with self.assertRaises(Refused), self.client.login("core", DEVICE) as attempt:
            attempt.present()
            raise Refused
        with self.refused(Reason.CREDENTIAL_REJECTED) as raised, self.client.login("core", DEVICE) as attempt:
            attempt.present()
        self.assertGreater(raised.exception.retry_delay, 0)
        # Another device may still have it.
        with self.client.login("core", "10.0.0.2:22") as attempt:
            attempt.present(timeout=60)

    def test_asked_more(self):
        """Devices that ask for a code are paused for a minute, and however many there are, others get the password."""
        for i in range(4):
            with self.assertRaises(agent.AskedMore), self.client.login("lab", f"10.0.2.{i}:22") as attempt:
                attempt.present()
                raise agent.AskedMore
        with self.client.login("lab", DEVICE) as attempt:
            attempt.present()
        with self.refused(Reason.CREDENTIAL_REJECTED) as raised, self.client.login("lab", "10.0.2.0:22") as attempt:
            attempt.present()
        self.assertLessEqual(raised.exception.retry_delay, 60)

    def test_threads(self):
        """More logins than permits: each gets its turn."""
        done = []

        def login(i):
            with self.client.login("lab", f"10.0.1.{i}:22") as attempt:
                attempt.present()
                done.append(i)

        threads = [threading.Thread(target=login, args=(i,)) for i in range(30)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        self.assertEqual(len(done), 30)
        self.eventually("permits are left", lambda: self.permits() == 0)

    def test_new_agent(self):
        """A killed agent's permits are reported to the next one, which is found soon."""
        with self.client.login("lab", DEVICE) as attempt:
            attempt.present()
            self.agent.kill()
            self.agent.start()
        self.assertEqual(self.client.get("lab", timeout=60).username, "admin")
        with self.client.login("lab", DEVICE) as attempt:
            attempt.present()
        self.eventually("permits are left", lambda: self.permits() == 0)

    def test_no_agent(self):
        self.agent.kill()
        started = time.monotonic()
        with self.refused(Reason.PROVIDER_UNRESPONSIVE, "unreachable") as raised:
            self.client.get("lab", timeout=0.5)
        self.assertLess(time.monotonic() - started, 20)
        self.assertTrue(raised.exception.reason.transient)
        self.assertIn("host-example agent", raised.exception.help[0])

    def test_cancelled_logins(self):
        """500 logins, half of them cancelled at any moment before the material is with the task: no permit is left."""
        chance = random.Random(4711)
        accepted = []

        async def login(client, i):
            async with client.login("lab", f"10.1.{i // 250}.{i % 250}:22") as attempt:
                await attempt.present(timeout=120)
                attempt_shown.discard(asyncio.current_task())
                await attempt.accepted()
                accepted.append(i)

        attempt_shown = set()  # tasks that may be cancelled: the material isn't with them yet

        async def all_logins():
            async with agent.connect_async(self.agent.socket) as client:
                tasks = [asyncio.create_task(login(client, i)) for i in range(500)]
                attempt_shown.update(tasks)
                for task in chance.sample(tasks, 250):
                    asyncio.get_running_loop().call_later(chance.uniform(0, 2), lambda t=task: t in attempt_shown and t.cancel())
                return await asyncio.gather(*tasks, return_exceptions=True)

        results = asyncio.run(all_logins())
        wrong = [result for result in results if result is not None and not isinstance(result, asyncio.CancelledError)]
        self.assertEqual(wrong, [])
        self.assertGreaterEqual(len(accepted), 250)
        self.assertLess(len(accepted), 500, "no login was cancelled")
        self.eventually("permits are left", lambda: self.permits() == 0)
        self.assertEqual(self.agent.metric("tom_credential_logins_unanswered_total"), 0)


class PromptTest(unittest.TestCase):
    def test_prompts(self):
        """The password goes into prompts that ask for it, and into no other. The prompts are those of host-example's own test."""
        with open(os.path.join(os.path.dirname(__file__), "prompts.json")) as file:
            prompts = json.load(file)
        self.assertEqual([p for p in prompts["password"] if not prompt.asks_password(p, *prompts["names"])], [])
        self.assertEqual([p for p in prompts["other"] if prompt.asks_password(p, *prompts["other_names"])], [])
        self.assertTrue(prompt.asks_again("Sorry, try again. Password: "))
        self.assertEqual(prompt.whole("Login", "Password", ": "), "Login Password : ")


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
