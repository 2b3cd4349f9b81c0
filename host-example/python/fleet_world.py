"""The devices of a fleet's test, and the AAA accounts that they share. It counts what they are shown, and locks what is wrong too often."""

import asyncio
import collections
import time

from tom_device import Device

LOCK_AFTER, LOCK_WINDOW = 5, 600.0  # wrong passwords in a row within so many seconds lock an account
BUDGET = 2  # login_lockout_budget's default
CLOSURE = 180.0  # seconds: the shortest closure of a password that refusals have closed
LOGIN_TIME = 30.0  # seconds in which a login shows its second password


class Account:
    """A user name that devices share, and what an AAA server counts of it. Passwords are shown in the devices' thread alone."""

    def __init__(self, id, password):
        self.id, self.username, self.devices = id, f"user-of-{id}", []
        self.secret, self.number = password, 0
        self.row, self.longest = [], 0  # refusals with no acceptance between them
        self.accepted, self.refused, self.locked = 0, 0, False
        self.shown = []  # all that devices were shown: (when, device, password, accepted)
        self.events = []  # what was done to it: (when, what)
        self.excuses = []  # what allows more failed logins in a row: (when, logins, password, or None for all)

    def next(self):
        """A password that the account has never had."""
        self.number += 1
        return f"canary-{self.id}-{self.number}-password"

    def show(self, device, password, right):
        """An AAA server's answer."""
        now, right = time.monotonic(), right and not self.locked
        self.shown.append((now, device, password, right))
        if right:
            self.accepted += 1
            self.row.clear()
            return True
        self.refused += 1
        if device.kind == "drifted":  # it has a password that no other has, and asks no server
            return False
        self.row = [at for at in self.row if at > now - LOCK_WINDOW] + [now]
        self.longest = max(self.longest, len(self.row))
        self.locked |= len(self.row) >= LOCK_AFTER
        return False

    def excuse(self, logins, password=None):
        self.excuses.append((time.monotonic(), logins, password))

    def note(self, what):
        self.events.append((time.monotonic(), what))

    def story(self):
        """What was done to the account and shown to its devices, for messages."""
        shown = [(at, f"{device.name} {word[7:]} {right}") for at, device, word, right in self.shown]
        return "\n".join(f"{at % 10000:8.2f} {what}" for at, what in sorted(shown + self.events))

    def failed_rows(self):
        """For each row of logins with one password that failed, with none that showed it and succeeded between: the password, how
        many, and how many are promised. A login that is refused with one password and accepted with another has succeeded."""
        logins, last = [], {}  # [when, passwords, succeeded]
        for at, device, password, right in list(self.shown):
            login = last.get(device)
            if login is None or login[2] or password in login[1] or at - login[0] > LOGIN_TIME:
                login = last[device] = [at, [], False]
                logins.append(login)
            login[1].append(password)
            login[2] = right
        for password in {shown for login in logins for shown in login[1]}:
            row = []
            for at, shown, succeeded in logins + [[float("inf"), [password], True]]:
                if password in shown and not succeeded:
                    row.append(at)
                elif password in shown and row:
                    yield password, len(row), self._promised(password, row)
                    row = []

    def _promised(self, password, row):
        """The budget, one more once refusals have proved to be the devices' own, one for each closure that has ended."""
        excused = sum(n for at, n, of in self.excuses if row[0] - LOGIN_TIME < at < row[-1] and of in (None, password))
        return BUDGET + 1 + int((row[-1] - row[0]) / CLOSURE) + excused


class FleetDevice(Device):
    """A device of an account. kind is "good"; "drifted": its password was changed by hand; or "mute": it doesn't answer passwords."""

    def __init__(self, name, account, kind, chance):
        super().__init__(account.username, account.secret)
        self.name, self.account, self.kind, self._chance = name, account, kind, chance
        self.shown = collections.Counter()  # refusals, by password
        self.commands = collections.Counter()
        if kind == "drifted":
            self.password = f"canary-by-hand-at-{name}"
        account.devices.append(self)

    async def validate(self, username, password, connection):
        await asyncio.sleep(self._chance.uniform(0.1, 0.5))
        if self.kind == "mute":
            await asyncio.sleep(120)
        right = self.account.show(self, password, (username, password) == (self.username, self.password))
        if not right:
            self.shown[password] += 1
        return right

    def answer(self, line):
        self.commands[line] += 1
        return f"{line} at {self.name}"
