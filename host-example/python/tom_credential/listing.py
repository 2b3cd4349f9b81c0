"""Many credentials at a time: batches of requests, and pages of a listing."""

from . import wire
from .credential import MAX_BATCH, Request


def batches(ids):
    for i in range(0, len(ids), MAX_BATCH):
        part = ids[i : i + MAX_BATCH]
        yield part, wire.v1.BatchGetCredentialsRequest(requests=[wire.request_to_proto(Request(id)) for id in part])


def batch_results(part, answer):
    if len(answer.results) != len(part):
        raise wire.misbehaved(f"it gave {len(answer.results)} results to {len(part)} requests")
    return [wire.result_from_proto(item) for item in answer.results]


class Pages:
    """The pages of a listing: it ends, whatever tokens come."""

    def __init__(self):
        self._seen, self.token = set(), ""

    def request(self):
        return wire.v1.ListCredentialsRequest(page_token=self.token)

    def take(self, answer):
        self._seen.add(self.token)
        self.token = answer.next_page_token
        if self.token in self._seen and self.token:
            raise wire.misbehaved("its listing goes round")
        return [wire.summary_from_proto(summary) for summary in answer.credentials]
