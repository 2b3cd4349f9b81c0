"""Chaos in small on the example of a task for Celery: real celery on a real Redis, the agent that the workers start, and devices that
share accounts. The Go test beside it says in the environment where its parts are."""

import collections
import contextlib
import os
import random
import signal
import subprocess
import sys
import time
import unittest

from celery.exceptions import WorkerLostError

from fleet_world import Account, FleetDevice
from local_test import processes
from tom_test import CANARY, Site

JOBS, PROCESSES, ACCOUNTS = 120, 4, 6
SEED = int(os.environ["TEST_FLEET_SEED"]) or random.SystemRandom().randrange(1, 1 << 32)


class CeleryTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        print(f"seed {SEED}", flush=True)
        cls.chance = random.Random(SEED)
        cls.site = Site()
        cls.addClassCleanup(cls.site.close)
        cls.accounts = [Account(f"id{i}", f"{CANARY}id{i}-0-password") for i in range(ACCOUNTS)]
        cls.devices = [FleetDevice(f"sw{i}", cls.accounts[i % ACCOUNTS], "good", cls.chance) for i in range(4 * ACCOUNTS)]
        for device in cls.devices:
            cls.site.devices.add(device)
        cls.store()
        cls.environ = cls.site.environ("celery", TOM_WORKER_LOGIN_GUARD="redis")
        os.environ["CELERY_REDIS"] = cls.environ["CELERY_REDIS"] = f"redis://127.0.0.1:{cls.site.redis_port}/0"
        import celery_example

        cls.example = celery_example
        cls.addClassCleanup(celery_example.app.close)
        cls.log = os.path.join(cls.site.directory, "celery.log")
        arguments = ["-A", "celery_example", "worker", "--pool", "prefork", "--concurrency", str(PROCESSES), "--loglevel", "info"]
        with open(cls.log, "w") as log:
            cls.worker = subprocess.Popen(
                [sys.executable, "-m", "celery", *arguments], env=cls.environ, cwd=cls.site.directory, stdout=log, stderr=log
            )
        cls.addClassCleanup(cls.stop)

    @classmethod
    def stop(cls):
        cls.worker.terminate()
        try:
            cls.worker.wait(60)
        except subprocess.TimeoutExpired:
            cls.worker.kill()
            cls.worker.wait()

    @classmethod
    def store(cls):
        cls.site.credentials = {a.id: {"username": a.username, "password": a.secret} for a in cls.accounts}
        cls.site.store()

    def said(self):
        with open(self.log, errors="replace") as log:
            return log.read()

    def eventually(self, what, happened, seconds=120):
        end = time.monotonic() + seconds
        while not happened():
            self.assertLess(time.monotonic(), end, f"{what}\n{self.said()[-3000:]}")
            time.sleep(0.05)

    def children(self):
        """The processes that run tasks."""
        with open(f"/proc/{self.worker.pid}/task/{self.worker.pid}/children") as file:
            return [int(pid) for pid in file.read().split()]

    def agents(self):
        directory = os.path.join(self.environ["XDG_RUNTIME_DIR"], "tom-agent")
        names = [name.removesuffix(".lock") for name in os.listdir(directory) if name.endswith(".lock")]
        return [pid for name in names for pid in processes(os.path.join(directory, name))]

    def submit(self, device, words, **more):
        arguments = {"host": "127.0.0.1", "port": device.port, "credential_id": device.account.id, "commands": [words]}
        return self.example.show.delay("cisco_ios", **arguments, **more)

    def test_chaos(self):
        faults, accounts, results = collections.Counter(), self.accounts[:4], {}
        for number in range(JOBS):
            device = self.chance.choice([device for account in accounts for device in account.devices])
            results[f"show job {number}"] = device, self.submit(device, f"show job {number}")
        moved, first = None, self.accounts[0]
        next_fault = 8
        end = time.monotonic() + 420
        while (ended := sum(result.ready() for _, result in results.values())) < JOBS:
            self.assertLess(time.monotonic(), end, f"{ended} of {JOBS} tasks have ended\n{self.said()[-3000:]}")
            time.sleep(0.1)
            if ended >= next_fault:
                next_fault = ended + 10
                fault = "child" if sum(faults.values()) % 2 else "agent"
                pids = self.children() if fault == "child" else self.agents()
                if pids:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(self.chance.choice(pids), signal.SIGKILL)
                        faults[fault] += 1
            if ended > JOBS // 3 and moved is None:  # the devices first, the secret seconds later
                moved = time.monotonic() + 2, first.next()
                for device in first.devices:
                    device.password = moved[1]
            if moved and first.secret != moved[1] and time.monotonic() > moved[0]:
                first.secret = moved[1]
                self.store()
        states, words_of_failures = collections.Counter(), collections.Counter()
        for words, (device, result) in results.items():
            states[result.state] += 1
            if result.state == "SUCCESS":
                self.assertEqual(result.result, {words: f"{words} at {device.name}"})
            else:
                self.assertEqual(result.state, "FAILURE")
                self.assertNotIsInstance(result.result, WorkerLostError)  # such a task goes to another process
                words_of_failures[str(result.result).split(":")[0]] += 1
            self.assertLessEqual(device.commands[words], 1, f"{words} was sent again")
        print(f"tasks {dict(states)}, failed {dict(words_of_failures)}, killed {dict(faults)}")
        print(f"refusals in a row, most by account: {[a.longest for a in accounts]}; refused {sum(a.refused for a in accounts)}")
        self.assertEqual([a.id for a in accounts if a.locked], [])
        self.assertEqual([row for a in accounts for row in a.failed_rows() if row[1] > row[2]], [], "rows longer than promised")
        self.assertGreater(states["SUCCESS"], JOBS // 2)
        self.assertEqual(len(faults), 2, faults)
        held = self.site.dump()
        self.assertGreater(len(held), 1000)
        self.assertNotIn(CANARY.encode(), held)
        self.assertNotIn(CANARY, self.said())

    def test_interrupted(self):
        """A worker that dies while commands run: the task is given to another one, which runs them again only if it may."""
        device = self.accounts[4].devices[0]
        for repeatable, state, times in ((False, "FAILURE", 1), (True, "SUCCESS", 2)):
            words = f"show held repeatable={repeatable}"
            result = self.submit(device, words, repeatable=repeatable)
            device.held = True
            self.eventually("the command is sent", lambda words=words: device.commands[words] == 1)
            for pid in self.children():
                os.kill(pid, signal.SIGKILL)
            device.held = False
            self.eventually("the task ends", result.ready)
            self.assertEqual(result.state, state, result.result)
            if not repeatable:
                self.assertIn("INTERRUPTED", str(result.result))
            self.assertEqual(device.commands[words], times)

    def test_refusal(self):
        """A refused task isn't repeated, and the next one fails at once, with a time."""
        account = self.accounts[5]
        for device in account.devices:
            device.password = "another"
        first, second = account.devices[:2]
        for device in (first, second, first):
            result = self.submit(device, "show version")
            self.eventually("the task ends", result.ready)
            self.assertEqual(result.state, "FAILURE")
        self.assertRegex(str(result.result), "CREDENTIAL_REJECTED.*again after [1-9]")
        self.assertEqual(account.refused, 2)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
