package awssmtest

import (
	"crypto/subtle"
	"slices"
	"strings"
	"time"
)

// The staging labels that the service itself moves.
const (
	stageCurrent  = "AWSCURRENT"
	stagePrevious = "AWSPREVIOUS"
	stagePending  = "AWSPENDING"
)

// Versions without a label are deprecated: AWS keeps about a hundred.
const keptVersions = 100

type tag struct{ Key, Value string }

type secret struct {
	serial      int64 // order of creation
	account     string
	name        string
	suffix      string // the six characters that end the ARN
	description string
	kmsKeyID    string
	tags        []tag
	created     time.Time
	changed     time.Time
	accessed    time.Time  // zero: never
	deletion    time.Time  // end of the recovery window; zero: not scheduled for deletion
	versions    []*version // oldest first
	policy      *policy    // nil: none
}

// version holds one value: a text or a binary.
type version struct {
	id      string
	text    *string
	binary  []byte
	created time.Time
	stages  []string // sorted, as the service returns them
}

func (s *secret) arn(c *call) string { return s.arnIn(c.region, s.account) }

func (s *secret) arnIn(region, account string) string {
	return "arn:aws:secretsmanager:" + region + ":" + account + ":secret:" + s.name + "-" + s.suffix
}

func (s *secret) version(id string) *version {
	for _, v := range s.versions {
		if v.id == id {
			return v
		}
	}
	return nil
}

// holder returns the version that has the label, or nil.
func (s *secret) holder(stage string) *version {
	for _, v := range s.versions {
		if slices.Contains(v.stages, stage) {
			return v
		}
	}
	return nil
}

// attach moves a label to a version: it can only be on one.
func (s *secret) attach(v *version, stage string) {
	s.detach(stage)
	v.stages = append(v.stages, stage)
	slices.Sort(v.stages)
}

func (s *secret) detach(stage string) {
	if v := s.holder(stage); v != nil {
		v.stages = slices.DeleteFunc(v.stages, func(other string) bool { return other == stage })
	}
}

// promote makes a version the current one, and the one that was current the previous one.
func (s *secret) promote(v *version) {
	old := s.holder(stageCurrent)
	if old == v {
		return
	}
	if old != nil {
		s.attach(old, stagePrevious)
	}
	s.attach(v, stageCurrent)
}

// add stores a new value. The first version of a secret is current, whatever labels it was given.
func (s *secret) add(v *version, stages []string) {
	first := len(s.versions) == 0
	old := s.holder(stageCurrent)
	s.versions = append(s.versions, v)
	for _, stage := range stages {
		if stage != stageCurrent {
			s.attach(v, stage)
		}
	}
	if first || slices.Contains(stages, stageCurrent) {
		s.promote(v)
		// A put over a version that finished its rotation with AWSPENDING beside AWSCURRENT takes both labels from it (observed on AWS).
		if old != nil {
			old.stages = slices.DeleteFunc(old.stages, func(stage string) bool { return stage == stagePending })
		}
	}
	for i := 0; len(s.versions) > keptVersions && i < len(s.versions)-1; {
		if len(s.versions[i].stages) > 0 {
			i++
			continue
		}
		s.versions = slices.Delete(s.versions, i, i+1)
	}
}

// stages returns the labelled versions, by id; nil if there are none.
func (s *secret) stages() map[string][]string {
	var m map[string][]string
	for _, v := range s.versions {
		if len(v.stages) == 0 {
			continue
		}
		if m == nil {
			m = make(map[string][]string)
		}
		m[v.id] = slices.Clone(v.stages)
	}
	return m
}

func (v *version) holds(text *string, binary []byte) bool {
	if (v.text == nil) != (text == nil) {
		return false
	}
	if text != nil {
		return subtle.ConstantTimeCompare([]byte(*v.text), []byte(*text)) == 1
	}
	return subtle.ConstantTimeCompare(v.binary, binary) == 1
}

// seconds writes a time as the protocol does: seconds since 1970, with milliseconds.
type seconds time.Time

func (s seconds) MarshalJSON() ([]byte, error) {
	milliseconds := time.Time(s).UnixMilli()
	text := time.UnixMilli(milliseconds).UTC().Format(".000")
	return []byte(formatInt(milliseconds/1000) + strings.TrimRight(text, "0.")), nil
}

func optional(t time.Time) *seconds {
	if t.IsZero() {
		return nil
	}
	s := seconds(t)
	return &s
}
