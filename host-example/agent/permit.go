package agent

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"

	"github.com/tom-worker/credential-provider/shared/credential"
	"github.com/tom-worker/credential-provider/shared/guard"
)

// permit is what a client gets for one presentation, sealed. It has all that a report to the ledger needs.
type permit struct {
	Login        loginID       `json:"l"`
	Presentation int           `json:"n"` // of the login, from 1
	UID          uint32        `json:"u"`
	Credential   string        `json:"c"`
	Material     guard.Digest  `json:"m"`
	Shown        []guard.Shown `json:"s,omitempty"` // before, under the same grant
	Granted      guard.Report  `json:"g"`
}

// seal makes permits that only holders of its key can make.
type seal struct{ key []byte }

func (s seal) tag(text []byte) []byte {
	mac := hmac.New(sha256.New, s.key)
	_, _ = mac.Write(text)
	return mac.Sum(nil)
}

func (s seal) close(p permit) ([]byte, error) {
	text, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	return append(s.tag(text), text...), nil
}

// open returns a permit, or REQUEST_INVALID.
func (s seal) open(sealed []byte) (p permit, err error) {
	const invalid = "the permit isn't one that this agent, or one before it at the same socket, has given"
	if len(sealed) < sha256.Size || !hmac.Equal(sealed[:sha256.Size], s.tag(sealed[sha256.Size:])) {
		return p, credential.Errorf(credential.RequestInvalid, invalid)
	}
	if err := json.Unmarshal(sealed[sha256.Size:], &p); err != nil {
		return p, credential.Errorf(credential.RequestInvalid, invalid)
	}
	return p, nil
}

// report is what the ledger is told of an answer to the permit.
func (p permit) report(answer guard.Answer) guard.Report {
	r := p.Granted
	r.Shown = p.Shown
	if answer != 0 {
		r.Shown = append(r.Shown[:len(r.Shown):len(r.Shown)], guard.Shown{Material: p.Material, Answer: answer})
	}
	return r
}
