"""The worker's process."""

import asyncio
import logging
import os
import sys

import redis.asyncio as redis
import saq

from tom_worker.exceptions import TomException
from tom_worker.jobs import list_credentials, send_commands_netmiko, send_commands_scrapli
from tom_worker.Plugins.base import CredentialPluginManager

from .config import settings

logging.basicConfig(level=settings.log_level, handlers=[logging.StreamHandler(sys.stdout)])
logger = logging.getLogger(__name__)

queue = saq.Queue.from_url(settings.redis_url)


async def main():
    try:
        plugin = CredentialPluginManager().initialize_credential_plugin(settings.credential_plugin, settings)
    except ValueError as e:
        logger.error(f"Failed to load credential plugin '{settings.credential_plugin}': {e}")
        raise SystemExit(1) from None
    try:
        await plugin.validate()
    except TomException as e:
        logger.error(f"Credential plugin validation failed: {e}")
        raise SystemExit(1) from None
    leases = redis.from_url(settings.redis_url)

    def setup(ctx):
        ctx.update(credential_store=plugin, redis_client=leases, settings=settings)

    worker = saq.Worker(
        queue,
        functions=[send_commands_netmiko, send_commands_scrapli, list_credentials],
        concurrency=settings.concurrency,
        startup=setup,
        timers={"sweep": int(os.getenv("STAND_IN_SWEEP", "60"))},  # seconds, saq's own default
    )
    try:
        await worker.queue.connect()
        logger.info("Starting worker (this will block until shutdown)")
        await worker.start()
    finally:
        await worker.queue.disconnect()
        await leases.aclose()


def run():
    try:
        asyncio.run(main())
    except (KeyboardInterrupt, asyncio.CancelledError):
        pass


if __name__ == "__main__":
    run()
