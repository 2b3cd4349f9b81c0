"""The functions of the queue."""

import asyncio
import contextlib
import os
import time

from tom_shared.models import SendCommandModel

from tom_worker.adapters import NetmikoAdapter, ScrapliAsyncAdapter
from tom_worker.exceptions import PermanentException

LEASE = int(os.getenv("STAND_IN_LEASE", "120"))  # seconds for which a worker that has died holds a device


async def list_credentials(ctx):
    return {"credentials": await ctx["credential_store"].list_credentials()}


@contextlib.asynccontextmanager
async def device_lease(ctx, device_id):
    """One job at a time at each device, of all workers. A permanent failure isn't repeated."""
    redis, job, key = ctx["redis_client"], ctx["job"], f"device_lease:{device_id}"
    await redis.zremrangebyscore(key, 0, time.time())
    if not await redis.zadd(key, {"lease": time.time() + LEASE}, nx=True):
        job.retries += 1  # a device that is busy costs no attempt
        raise asyncio.CancelledError  # saq repeats the job without a word
    try:
        yield
    except PermanentException:
        job.retries = job.attempts
        raise
    finally:
        await redis.zrem(key, "lease")


async def _send_commands(ctx, json, adapter_of):
    model = SendCommandModel.model_validate_json(json)
    async with device_lease(ctx, f"{model.host}:{model.port}"):
        async with await adapter_of().from_model(model, ctx["credential_store"]) as adapter:
            return {"data": await adapter.send_commands(model.commands), "meta": {}}


async def send_commands_netmiko(ctx, json: str):
    return await _send_commands(ctx, json, lambda: NetmikoAdapter)


async def send_commands_scrapli(ctx, json: str):
    return await _send_commands(ctx, json, lambda: ScrapliAsyncAdapter)
