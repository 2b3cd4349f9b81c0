package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"time"

	"google.golang.org/protobuf/proto"
)

// These look for secrets in everything that was seen in the run.
var secrecyChecks = []check{
	{Info: Info{"CP-SECRECY-001", Must, "no argument of its processes holds a secret, nor the environment of those that it starts",
		"Duties: no secret may leave the process in any other way than in the fields marked: not in an argument"},
		run: checkArguments},
	{Info: Info{"CP-SECRECY-002", Must, "nothing that it writes holds a secret: raw, escaped or encoded",
		"Duties: no secret may leave the process in any other way than in the fields marked: not in a log line"},
		run: looking((*evidence).written)},
	{Info: Info{"CP-SECRECY-003", Must, "no error holds a secret",
		"Duties: not in an error; Errors: the message never holds a secret, not even in part"},
		run: looking((*evidence).secretErrors)},
	{Info: Info{"CP-SECRECY-004", Must, "no metadata, listing or check of Validate holds a secret",
		"Duties: no secret may leave the process in any other way than in the fields marked with debug_redact"},
		run: looking((*evidence).secretAnswers)},
	{Info: Info{"CP-SECRECY-005", Must, "nothing that it prints, and go-plugin passes on, holds a secret",
		"Duties: no secret may leave the process in any other way; hosts log what comes out of plugin.GRPCStdio"},
		run: looking((*evidence).printed)},
	{Info: Info{"CP-SECRECY-006", Must, "no header or trailer of an answer holds a secret",
		"Duties: no secret may leave the process in any other way than in the fields marked; proxies and traces show headers"},
		run: looking((*evidence).secretHeaders)},
	{Info: Info{"CP-SECRECY-007", Must, "no field of a credential that isn't secret holds one",
		"Credential: version_id, backend_request_id and the names of extra fields are logged and audited"},
		run: looking((*evidence).secretFields)},
	{Info: Info{"CP-SECRECY-008", Must, "no file that it writes holds a secret, during calls or after them",
		"Duties: no secret may leave the process in any other way than in the fields marked: not in a file"},
		run: checkFilesWritten},
	{Info: Info{"CP-SECRECY-009", Should, "nothing has a plain digest of a secret",
		"Duties: from a digest without a key a password can be guessed, and the same one be told from another"},
		run: looking((*evidence).digested)},
}

// told is the end of a search that found nothing, which proves nothing where there was nothing to be found. What the
// kit makes up itself is searched for even then.
func (v *evidence) told() error {
	if !v.known {
		return skipf("the fixtures have no secret of %d bytes or more that isn't a part of an id or a username", shortestSecret)
	}
	return nil
}

// timestamp is what differs in lines that are else the same.
var timestamp = regexp.MustCompile(`"@timestamp":\s*"[^"]*"`)

func (v *evidence) written() error {
	for _, p := range v.processes {
		v.secrets.anew()
		var plain, messages []byte // what isn't JSON may go over several lines, and so may what is
		for n, line := range lines(p.thing.stderr.bytes()) {
			var said struct {
				Message string `json:"@message"`
			}
			isMessage := json.Unmarshal(line, &said) == nil
			line = timestamp.ReplaceAll(line, nil)
			if found := v.find(line); found != "" {
				return fmt.Errorf("log line %d during %s holds %s", n+1, p.check, found)
			}
			if isMessage {
				messages = append(messages, said.Message...)
			} else {
				plain = append(append(plain, line...), '\n')
			}
		}
		for what, text := range map[string][]byte{"standard error": plain, "the messages of its log": messages, "standard output": p.thing.stdout.bytes()} {
			if found := v.find(text); found != "" {
				return fmt.Errorf("%s during %s holds %s", what, p.check, found)
			}
		}
		for _, o := range []*output{&p.thing.stdout, &p.thing.stderr} {
			if found, _ := o.beyond(); found != "" {
				return fmt.Errorf("what it writes during %s holds %s", p.check, found)
			}
		}
	}
	return v.told()
}

func (v *evidence) printed() error {
	for _, p := range v.processes {
		v.secrets.anew()
		found := v.find(p.thing.stdio.bytes())
		if beyond, _ := p.thing.stdio.beyond(); found == "" {
			found = beyond
		}
		if found != "" {
			return fmt.Errorf("what it prints during %s holds %s", p.check, found)
		}
	}
	return v.told()
}

func (v *evidence) secretErrors() error {
	for _, failure := range v.errors {
		if found := v.find([]byte(encodedStatus(failure.thing))); found != "" {
			return fmt.Errorf("%s during %s holds %s", failure.what, failure.check, found)
		}
	}
	for _, failure := range v.failures {
		encoded, _ := proto.Marshal(failure.thing)
		if found := v.find(encoded); found != "" {
			return fmt.Errorf("%s during %s holds %s", failure.what, failure.check, found)
		}
	}
	return v.told()
}

// searched looks for secrets in things of one kind.
func (v *evidence) searched(things []seen[[]byte]) error {
	for _, one := range things {
		if found := v.find(one.thing); found != "" {
			return fmt.Errorf("%s during %s holds %s", one.what, one.check, found)
		}
	}
	return v.told()
}

func (v *evidence) secretAnswers() error { return v.searched(v.answers) }
func (v *evidence) secretHeaders() error { return v.searched(v.headers) }
func (v *evidence) secretFields() error  { return v.searched(v.public) }

func (v *evidence) digested() error {
	look := func(check, what string, text []byte) error {
		if found := v.digests.find(text); found != "" {
			return fmt.Errorf("%s during %s holds %s", what, check, found)
		}
		return nil
	}
	for _, p := range v.processes {
		v.digests.anew()
		for _, line := range lines(p.thing.stderr.bytes()) {
			if err := look(p.check, "a log line", timestamp.ReplaceAll(line, nil)); err != nil {
				return err
			}
		}
	}
	for _, things := range [][]seen[[]byte]{v.answers, v.public, v.headers} {
		v.digests.anew()
		for _, one := range things {
			if err := look(one.check, one.what, one.thing); err != nil {
				return err
			}
		}
	}
	v.digests.anew()
	for _, failure := range v.errors {
		if err := look(failure.check, failure.what, []byte(encodedStatus(failure.thing))); err != nil {
			return err
		}
	}
	return v.told()
}

// checkArguments looks at the processes while they work: some programs are started for one call only.
func checkArguments(ctx context.Context, e *exam) error {
	if unknown := e.evidence.told(); unknown != nil {
		return unknown
	}
	i, err := e.freshReady(ctx, hosted())
	if err != nil {
		return err
	}
	if len(i.tree.arguments()) == 0 {
		return skipf("this system doesn't show the arguments of processes")
	}
	return e.watched(ctx, i, func() error {
		for _, arguments := range i.tree.arguments() {
			e.evidence.secrets.anew()
			if found := e.evidence.find(arguments); found != "" {
				return fmt.Errorf("a command line or an environment holds %s", found)
			}
		}
		return nil
	})
}

// watched uses a process, and looks at something again and again while it works.
func (e *exam) watched(ctx context.Context, i *instance, look func() error) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 3 {
			e.use(ctx, i)
			for id := range e.options.Fixtures.Malformed {
				_, _ = i.get(ctx, id)
			}
		}
	}()
	defer func() { <-done }()
	for working := true; working; {
		select {
		case <-done:
			working = false // one last look
		case <-time.After(time.Millisecond):
		}
		if err := look(); err != nil {
			return err
		}
	}
	return nil
}
