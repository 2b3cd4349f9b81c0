package devicetest

import (
	"io"
	"sync"
)

// Pipe is one direction of a terminal in this process. A write doesn't wait for its reader.
type Pipe struct {
	mu     sync.Mutex
	more   *sync.Cond
	text   []byte
	closed bool
}

// NewPipe makes an empty pipe.
func NewPipe() *Pipe {
	p := &Pipe{}
	p.more = sync.NewCond(&p.mu)
	return p
}

// Read implements io.Reader.
func (p *Pipe) Read(into []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.text) == 0 && !p.closed {
		p.more.Wait()
	}
	if len(p.text) == 0 {
		return 0, io.EOF
	}
	n := copy(into, p.text)
	p.text = p.text[n:]
	return n, nil
}

// Write implements io.Writer.
func (p *Pipe) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return 0, io.ErrClosedPipe
	}
	p.text = append(p.text, text...)
	p.more.Signal()
	return len(text), nil
}

// Close ends the pipe, for both sides.
func (p *Pipe) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.more.Broadcast()
	return nil
}
