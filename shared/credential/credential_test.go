package credential

import (
	"testing"
	"time"
)

func TestSameMaterial(t *testing.T) {
	of := func(change func(*Credential)) *Credential {
		c := newCredential()
		c.Extra["enable_password"] = NewRedacted("enable")
		change(&c)
		return &c
	}
	for name, test := range map[string]struct {
		change func(*Credential)
		want   bool
	}{
		"the same":                {func(*Credential) {}, true},
		"another version":         {func(c *Credential) { c.VersionID, c.VersionCreated = "2", time.Now() }, true},
		"another id":              {func(c *Credential) { c.ID = "other" }, true},
		"another enable password": {func(c *Credential) { c.Extra["enable_password"] = NewRedacted("x") }, true},
		"another username":        {func(c *Credential) { c.Username = "root" }, false},
		"another password":        {func(c *Credential) { c.Password = Password("x") }, false},
		"an empty password":       {func(c *Credential) { c.Password = Password("") }, false},
		"no password":             {func(c *Credential) { c.Password = Optional{} }, false},
		"another key":             {func(c *Credential) { c.Extra[PrivateKeyField] = NewRedacted("x") }, false},
		"no key":                  {func(c *Credential) { delete(c.Extra, PrivateKeyField) }, false},
		"no extra":                {func(c *Credential) { c.Extra = nil }, false},
	} {
		a, b := of(func(*Credential) {}), of(test.change)
		if a.SameMaterial(b) != test.want || b.SameMaterial(a) != test.want {
			t.Errorf("%s: want %v", name, test.want)
		}
	}
	absent, empty := of(func(c *Credential) { c.Password = Optional{} }), of(func(c *Credential) { c.Password = Password("") })
	if absent.SameMaterial(empty) {
		t.Error("an absent password is the same as an empty one")
	}
}

func TestCloneHasItsOwnMap(t *testing.T) {
	c := newCredential()
	clone := c.Clone()
	if !clone.SameMaterial(&c) || clone.ID != c.ID {
		t.Errorf("the clone %v differs from %v", clone, c)
	}
	clone.Extra["more"] = NewRedacted("x")
	if _, shared := c.Extra["more"]; shared {
		t.Error("the clone shares its map")
	}
	if (&Credential{}).Clone().Extra != nil {
		t.Error("a clone of no map has one")
	}
}
