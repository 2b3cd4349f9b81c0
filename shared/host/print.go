package host

import "bytes"

// printer takes what a provider prints past its log, to standard output or into the stream that go-plugin makes of it, and
// hands it to the log line by line: it was printed to be seen. It never blocks and never fails, so
// printing doesn't stop a provider. It is for one stream, and one goroutine.
type printer struct {
	log  *logFilter
	held []byte // the start of a line whose end is still to come
}

// Write implements io.Writer.
func (p *printer) Write(text []byte) (int, error) {
	for rest := text; len(rest) > 0; {
		line, after, ended := bytes.Cut(rest, []byte("\n"))
		p.held = append(p.held, line[:min(len(line), maxLine-len(p.held))]...)
		if ended {
			p.flush()
		}
		rest = after
	}
	return len(text), nil
}

// flush ends the line.
func (p *printer) flush() {
	p.log.take(bytes.TrimSuffix(p.held, []byte("\r")))
	p.held = p.held[:0]
}
