"""Runs Tom's worker with a provider of this project."""

from . import install

if __name__ == "__main__":
    install()
    from tom_worker.main import run

    run()
