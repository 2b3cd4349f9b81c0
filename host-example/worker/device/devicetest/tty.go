package devicetest

import (
	"io"
	"math/rand/v2"
	"strings"
	"time"
)

// TTY is a device's end of a terminal, byte by byte.
type TTY struct {
	// Silent devices don't echo.
	Silent bool
	// Enter are the bytes that run a line. Empty: CR and LF.
	Enter string
	// NoLine keeps the device from ending the line when Enter is pressed.
	NoLine bool

	r    io.Reader
	w    io.Writer
	pace Pace
	err  error
}

// Pace cuts what a device writes into the pieces in which it is sent. It may sleep.
type Pace func(text string, send func(piece string))

// NewTTY makes a terminal's end.
func NewTTY(r io.Reader, w io.Writer, pace Pace) *TTY {
	if pace == nil {
		pace = Whole
	}
	return &TTY{r: r, w: w, pace: pace}
}

// Whole sends each text in one piece.
func Whole(text string, send func(string)) { send(text) }

// Bytes sends single bytes.
func Bytes(text string, send func(string)) {
	for i := range len(text) {
		send(text[i : i+1])
	}
}

// Random sends pieces of random lengths up to most bytes, and pauses up to pause before some of them.
func Random(seed uint64, most int, pause time.Duration) Pace {
	random := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // a test that can be repeated
	return func(text string, send func(string)) {
		for text != "" {
			n := min(1+random.IntN(most), len(text))
			if pause > 0 && random.IntN(3) == 0 {
				time.Sleep(time.Duration(random.Int64N(int64(pause))) + 1)
			}
			send(text[:n])
			text = text[n:]
		}
	}
}

// Paused sends pieces of random lengths with the same pause before each.
func Paused(seed uint64, most int, pause time.Duration) Pace {
	random := rand.New(rand.NewPCG(seed, 2)) //nolint:gosec // a test that can be repeated
	return func(text string, send func(string)) {
		for text != "" {
			n := min(1+random.IntN(most), len(text))
			time.Sleep(pause)
			send(text[:n])
			text = text[n:]
		}
	}
}

// Print writes texts. A line feed is sent as it is.
func (t *TTY) Print(texts ...string) {
	for _, text := range texts {
		t.pace(text, func(piece string) {
			if t.err == nil {
				_, t.err = io.WriteString(t.w, piece)
			}
		})
	}
}

// Lines writes a text with CR before each line feed.
func (t *TTY) Lines(text string) { t.Print(strings.ReplaceAll(text, "\n", "\r\n")) }

// Key reads one byte. It returns 0 when the terminal has ended.
func (t *TTY) Key() byte {
	var b [1]byte
	if t.err == nil {
		_, t.err = io.ReadFull(t.r, b[:])
	}
	return b[0]
}

// Ended reports whether the terminal has ended.
func (t *TTY) Ended() bool { return t.err != nil }

// Line reads what is typed up to Enter, and echoes it.
func (t *TTY) Line() string {
	enter := t.Enter
	if enter == "" {
		enter = "\r\n"
	}
	var line []byte
	for {
		b := t.Key()
		switch {
		case t.err != nil:
			return ""
		case b == '\r' || b == '\n':
			if strings.IndexByte(enter, b) < 0 {
				if !t.Silent && b == '\n' {
					t.Print("\n")
				}
				continue
			}
			if !t.NoLine {
				t.Print("\r\n")
			}
			return strings.TrimSpace(string(line))
		case b == 0x1b: // an answer of the terminal
			for b = t.Key(); t.err == nil && (b < '@' || b == '['); b = t.Key() {
			}
		case b == '\b' || b == 0x7f:
			line = line[:max(len(line)-1, 0)]
		default:
			line = append(line, b)
			if !t.Silent {
				t.Print(string([]byte{b}))
			}
		}
	}
}
