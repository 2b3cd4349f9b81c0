from .netmiko_adapter import NetmikoAdapter
from .scrapli_adapter import ScrapliAsyncAdapter

__all__ = ["NetmikoAdapter", "ScrapliAsyncAdapter"]
