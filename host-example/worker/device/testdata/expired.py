"""A device whose password has expired: serves SSH until stdin ends, and prints its address and host key."""
import asyncio, logging, sys
import asyncssh

logging.disable(logging.CRITICAL)


class Server(asyncssh.SSHServer):
    def begin_auth(self, username): return True
    def password_auth_supported(self): return True
    def validate_password(self, username, password):
        if password == sys.argv[1]:
            raise asyncssh.PasswordChangeRequired("Your password has expired.")
        return False
    def change_password(self, username, old, new): return False


async def main():
    key = asyncssh.generate_private_key("ssh-ed25519")
    server = await asyncssh.create_server(Server, "127.0.0.1", 0, server_host_keys=[key])
    kind, text = key.export_public_key().decode().split()[:2]
    print(f"127.0.0.1:{server.sockets[0].getsockname()[1]} {kind} {text}", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)

asyncio.run(main())
