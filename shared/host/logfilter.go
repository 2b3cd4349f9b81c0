package host

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/tom-worker/credential-provider/shared/text"
)

// Bounds of a provider's log. What is beyond them is dropped and counted, never waited for: a provider must not be able
// to block itself, the host's log or the host's memory by writing too much.
const (
	maxLine         = 128 << 10 // bytes of one line that are looked at
	maxField        = 8 << 10   // bytes of one value that are kept
	maxFields       = 32        // values of one line that are kept
	maxOut          = 60 << 10  // bytes of a line as it is passed on: go-plugin splits those over 64 KiB
	linesPerSecond  = 1000
	queuedLines     = 256
	tailLines       = 20
	tailLine        = 512
	hclogTimeLayout = "2006-01-02T15:04:05.000000Z07:00"
)

// logFilter stands between a provider's standard error and go-plugin's reader of log lines. That reader crashes the host
// at {"@message":1}, splits long lines, and parses every line whatever the level. What it gets from here are lines that
// it can read: JSON objects in hclog's form, or plain text.
type logFilter struct {
	out    *io.PipeReader
	in     *io.PipeWriter
	lines  chan []byte
	done   chan struct{} // closed when the stream has ended and its last line was taken over
	redact func(string) string

	mu      sync.Mutex
	last    []string
	second  time.Time // the present one
	count   int       // lines in it
	dropped int       // lines that were not reported yet
	ended   bool
}

func newLogFilter(redact func(string) string) *logFilter {
	f := &logFilter{lines: make(chan []byte, queuedLines+1), done: make(chan struct{}), redact: redact}
	f.out, f.in = io.Pipe()
	return f
}

// close ends the stream for go-plugin; for a provider that was never started.
func (f *logFilter) close() {
	close(f.done)
	_ = f.in.Close()
}

// copy reads until the stream ends.
func (f *logFilter) copy(from io.Reader) {
	defer close(f.done)
	written := make(chan struct{})
	go func() {
		defer close(written)
		for line := range f.lines {
			_, _ = f.in.Write(line)
		}
		_ = f.in.Close()
	}()
	defer func() { <-written }()
	defer f.end()

	reader := bufio.NewReaderSize(from, maxLine)
	for {
		line, err := readLine(reader)
		f.take(line)
		if err != nil {
			return
		}
	}
}

// end is the end of the log, also for what is still being printed elsewhere.
func (f *logFilter) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tellDropped()
	f.ended = true
	close(f.lines)
}

// take takes a line over, if there is room for it. It doesn't block.
func (f *logFilter) take(line []byte) {
	if len(line) == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended {
		return
	}
	if now := time.Now().Truncate(time.Second); now != f.second {
		f.second, f.count = now, 0
		f.tellDropped()
	}
	if f.count++; f.count > linesPerSecond || !f.pass(line) {
		f.dropped++
	}
}

// readLine returns the next line without its end, cut at maxLine. It is valid until the next call.
func readLine(reader *bufio.Reader) ([]byte, error) {
	line, err := reader.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		line = slices.Clone(line)
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = reader.ReadSlice('\n')
		}
	}
	for len(line) > 0 && (line[len(line)-1] == '\n' || line[len(line)-1] == '\r') {
		line = line[:len(line)-1]
	}
	return line, err
}

// pass cleans a line and queues it; false if the queue is full. f.mu is held.
func (f *logFilter) pass(line []byte) bool {
	cleaned, plain := cleanLine(line, f.redact)
	f.last = append(f.last, text.Truncate(plain, tailLine))
	if len(f.last) > tailLines {
		f.last = slices.Delete(f.last, 0, len(f.last)-tailLines)
	}
	if len(f.lines) >= queuedLines {
		return false // the last place is for saying so
	}
	f.lines <- append(cleaned, '\n')
	return true
}

// tellDropped says how many lines were dropped, if there is room for that; f.mu is held.
func (f *logFilter) tellDropped() {
	if f.dropped == 0 {
		return
	}
	notice := entry(hclog.Warn, "the provider logs too much: lines were dropped", map[string]any{"dropped": f.dropped})
	select {
	case f.lines <- append(notice, '\n'):
		f.dropped = 0
	default:
	}
}

// tail are the last lines, for error messages.
func (f *logFilter) tail() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.last)
}

// cleanLine returns a line that go-plugin's reader can take, and its plain text for people. Values that the host has
// handed out are hidden in both.
func cleanLine(line []byte, redact func(string) string) (cleaned []byte, plain string) {
	fields := object(line)
	if fields == nil {
		// Redacted before it is cleaned: a password may have characters that a log doesn't show.
		plain = text.Line(redact(string(line)))
		if strings.HasPrefix(strings.TrimSpace(plain), "{") {
			// It may look like JSON to go-plugin once it is cleaned.
			return entry(hclog.Debug, plain, nil), plain
		}
		return []byte(text.Truncate(plain, maxOut)), plain
	}
	message := valueText(fields["@message"], redact)
	level := hclog.LevelFromString(valueText(fields["@level"], redact))
	if level == hclog.NoLevel {
		level = hclog.Debug
	}
	when := valueText(fields["@timestamp"], redact)
	if _, err := time.Parse(hclogTimeLayout, when); err != nil {
		when = ""
	}
	kept := map[string]any{}
	plain = message
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		if key == "@message" || key == "@level" || key == "@timestamp" {
			continue
		}
		if len(kept) == maxFields {
			break
		}
		name := text.Truncate(text.Line(redact(key)), 128)
		kept[name] = fieldValue(fields[key], redact)
		plain += fmt.Sprintf(" %s=%v", name, kept[name])
	}
	if when != "" {
		kept["@timestamp"] = when
	}
	return entry(level, message, kept), plain
}

// object decodes a JSON object, with numbers as they stand there; nil if the line is none.
func object(line []byte) (fields map[string]any) {
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.UseNumber()
	if decoder.Decode(&fields) != nil {
		return nil
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil
	}
	return fields
}

// fieldValue is a value as it is passed on: numbers stay numbers, unless they are secrets or too large.
func fieldValue(value any, redact func(string) string) any {
	switch v := value.(type) {
	case bool:
		return v
	case json.Number:
		if _, err := v.Float64(); err == nil && redact(v.String()) == v.String() {
			return v
		}
	}
	return valueText(value, redact)
}

// valueText is a value as a line of text.
func valueText(value any, redact func(string) string) string {
	shown, ok := value.(string)
	if !ok && value != nil {
		encoded, err := json.Marshal(value)
		if err != nil {
			return ""
		}
		shown = string(encoded)
	}
	// Redacted before it is cut: half of a password is one too.
	return text.Truncate(redact(strings.ToValidUTF8(shown, "\uFFFD")), maxField)
}

// entry encodes a line in hclog's JSON form, within maxOut.
func entry(level hclog.Level, message string, fields map[string]any) []byte {
	all := map[string]any{"@timestamp": time.Now().Format(hclogTimeLayout)}
	maps.Copy(all, fields)
	all["@level"], all["@message"] = level.String(), message
	line, err := json.Marshal(all)
	if err == nil && len(line) <= maxOut {
		return line
	}
	line, _ = json.Marshal(map[string]any{
		"@level": level.String(), "@message": text.Truncate(message, maxField), "@timestamp": all["@timestamp"], "fields": "left out: too long",
	})
	return line
}
