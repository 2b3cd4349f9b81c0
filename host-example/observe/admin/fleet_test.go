package admin_test

import (
	"slices"
	"testing"
	"time"

	"github.com/tom-worker/credential-provider/host-example/observe/admin"
	g "github.com/tom-worker/credential-provider/shared/guard"
)

// TestSummary adds up the materials that a credential had; its state is that of the current one.
func TestSummary(t *testing.T) {
	m := func(n byte) g.Digest { return g.Digest{n} }
	status := func(material byte, change func(*g.Status), ids ...string) g.Status {
		s := g.Status{Record: g.Record{Material: m(material), Idle: time.Second}, CredentialIDs: ids}
		change(&s)
		return s
	}
	closed := func(s *g.Status) {
		s.RefusedDay, s.WrongDay, s.Failed, s.Budget, s.Closed, s.Doubtful = 5, 2, 2, 3, 4*time.Minute, 4
	}
	statuses := []g.Status{
		status(1, closed, "rotated"),
		status(2, func(s *g.Status) { s.RefusedDay = 1 }, "rotated"),
		status(3, closed, "replaced yesterday"),
		status(4, closed, "two", "of one"),
		status(5, closed, "unread"),
		status(6, func(s *g.Status) { s.Idle, s.Failed, s.RefusedDay = time.Hour, 1, 1 }, "unread"),
		status(7, func(s *g.Status) { s.Idle, s.Failed, s.RefusedDay = -1, 7, 1 }, "unread"),
		status(8, closed),
		status(9, func(s *g.Status) { s.Doubtful, s.Failed = 1, 2 }), // another worker's, of long ago
		status(10, func(*g.Status) {}, "fine"),
		status(11, func(s *g.Status) { s.Failed, s.Doubtful, s.Closed = 2, 1, time.Minute }, "fine since"),
		status(12, func(s *g.Status) { s.Failed, s.Doubtful = 3, 2 }, "local"),
	}
	current := map[string]byte{"rotated": 2, "replaced yesterday": 33, "two": 4, "of one": 4, "fine": 10, "fine since": 44, "local": 12}
	list, others := admin.Summary(statuses, func(id string) (g.Digest, bool) { return m(current[id]), current[id] != 0 })
	row := func(id string, material byte, refused, wrong, failed, budget, devices int, closed bool) admin.Credential {
		c := admin.Credential{CredentialID: id, Material: m(material).String(), Refused: refused, WrongPasswords: wrong, Failed: failed, Budget: budget, Devices: devices, Quarantined: closed}
		if closed {
			c.RetrySeconds = 240
		}
		return c
	}
	want := []admin.Credential{
		row("of one", 4, 5, 2, 2, 3, 4, true),
		row("two", 4, 5, 2, 2, 3, 4, true),
		row("unread", 5, 7, 2, 2, 3, 4, true),
		row("", 8, 5, 2, 2, 3, 4, true),
		row("local", 12, 0, 0, 3, 0, 2, false),
		row("replaced yesterday", 33, 5, 2, 0, 0, 0, false),
		row("rotated", 2, 6, 2, 0, 0, 0, false),
	}
	if !slices.Equal(list, want) || others != 1 {
		t.Errorf("others %d", others)
		for i := range max(len(list), len(want)) {
			if i < len(list) && i < len(want) && list[i] == want[i] {
				continue
			}
			if i < len(list) {
				t.Errorf("%d: %+v", i, list[i])
			}
			if i < len(want) {
				t.Errorf("want %+v", want[i])
			}
		}
	}
	for c, says := range map[admin.Credential][2]string{
		want[0]:           {"2 of 3", "quarantined, 4m0s left"},
		want[4]:           {"3, no bound", "paused at 2 devices"},
		want[6]:           {"0", "ok"},
		{Devices: 1}:      {"0", "paused at 1 device"},
		{RetrySeconds: 9}: {"0", "ok"},
	} {
		if c.BudgetUsed() != says[0] || c.State() != says[1] {
			t.Errorf("%+v: %q, %q", c, c.BudgetUsed(), c.State())
		}
	}
}
