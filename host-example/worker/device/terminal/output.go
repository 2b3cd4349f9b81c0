package terminal

import "strings"

// output keeps the start and the end of what a command prints.
type output struct {
	most       int // bytes
	head, tail []byte
	truncated  bool
}

func (o *output) add(text string) {
	if room := o.most/2 - len(o.head); room > 0 {
		n := min(room, len(text))
		o.head = append(o.head, text[:n]...)
		text = text[n:]
	}
	o.tail = append(o.tail, text...)
	if len(o.tail) > 2*o.most {
		o.cut()
	}
}

// cut keeps of the end what fits.
func (o *output) cut() {
	if excess := len(o.tail) - (o.most - o.most/2); excess > 0 {
		o.tail = append(o.tail[:0], o.tail[excess:]...)
		o.truncated = true
	}
}

func (o *output) String() string {
	o.cut()
	return strings.ToValidUTF8(string(o.head)+string(o.tail), "\ufffd")
}
