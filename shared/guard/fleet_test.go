package guard

import (
	"fmt"
	"testing"
	"time"
)

func TestMembers(t *testing.T) {
	now := time.Unix(1e9, 0)
	m := NewMemoryAt(func() time.Time { return now })
	beat := func(instance string, uptime time.Duration) {
		if err := m.Heartbeat(t.Context(), Member{Instance: instance, Kind: "worker", Host: "h", Uptime: uptime}); err != nil {
			t.Fatal(err)
		}
	}
	want := func(names ...string) {
		t.Helper()
		members, err := m.Members(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, member := range members {
			got = append(got, fmt.Sprint(member.Instance, " ", member.Silent()))
		}
		if fmt.Sprint(got) != fmt.Sprint(names) {
			t.Errorf("%v; want %v", got, names)
		}
	}
	beat("a", time.Hour)
	beat("b", time.Minute)
	now = now.Add(30 * time.Second)
	beat("b", time.Minute+30*time.Second)
	want("a false", "b false")
	now = now.Add(10 * time.Second)
	want("a true", "b false")
	if err := m.Leave(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	want("a true")
	now = now.Add(MemberKept)
	want()
	for i := range 150 {
		beat(fmt.Sprint(i), 0)
		now = now.Add(time.Second)
	}
	now = now.Add(time.Minute)
	if members, _ := m.Members(t.Context()); len(members) != 100 || members[len(members)-1].Instance != "149" || len(m.members) != 100 {
		t.Errorf("%d members, last %+v", len(members), members[len(members)-1])
	}
}
