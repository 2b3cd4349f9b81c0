package terminal

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	// maxCells bounds the line that the cursor is on; what is longer is passed on in pieces.
	maxCells = 64 << 10
	// maxSequence bounds a control sequence, in bytes. What is longer is no sequence.
	maxSequence = 4 << 10
)

// screen is a terminal of one line: the line that the cursor is on, as long as it needs to be. Control sequences are obeyed
// as far as they are about this line. Lines that end are passed on, so that no output scrolls away however long it is.
//
// A line that is wider than the terminal is one line here with several rows, as readline draws them.
type screen struct {
	width int
	// emit gets each line that ends, without its line feed, and the start of one that is too long, which hasn't ended.
	emit func(line string, ended bool)
	// reply gets what the device asks its terminal.
	reply func(answer string)

	cells []rune // 0: empty, or erased
	col   int
	// ghost is a line with a pager's text after it was turned: erased by the device, or text after all. The first kept cells of
	// it were not erased: the pager stands behind them.
	ghost []rune
	kept  int
	// keptLine is kept before CR: it may be part of a line feed.
	keptLine int
	// moved is set when the cursor moved other than by text, and printed when there was text.
	moved, printed bool
	// ended is set when a line has ended.
	ended bool
	full  bool // the cursor is behind a row's last column
	saved int  // where the cursor was when the device had its place kept
	// touched is set when a pager's text was written over or erased.
	touched bool
	// wiping is set after a pager was turned, until there is text: blanks erase it.
	wiping bool

	state    state
	sequence []byte
	partial  []byte // of a rune
}

type state int

const (
	ground state = iota
	escaped
	control       // after CSI
	text          // an operating-system command or another text for the terminal, up to BEL or ST
	textEscaped   // after an ESC in it
	escapedSkip   // one more byte belongs to the sequence
	maxParameter  = 10000
	bell, cancel  = 0x07, 0x18
	substitute    = 0x1a
	escapeControl = 0x1b
)

// write takes what the device writes, in pieces of any size.
func (s *screen) write(p []byte) {
	for _, b := range p {
		s.byte(b)
	}
}

func (s *screen) byte(b byte) {
	switch s.state {
	case ground:
		s.ground(b)
	case escaped:
		s.escape(b)
	case control:
		s.control(b)
	case escapedSkip:
		s.state = ground
		if b < ' ' {
			s.ground(b)
		}
	case text:
		switch {
		case b == bell || b == cancel || b == substitute || len(s.sequence) > maxSequence:
			s.state = ground
		case b == escapeControl:
			s.state = textEscaped
		case b == '\n': // no text has that: the sequence was cut off
			s.state = ground
			s.ground(b)
		default:
			s.sequence = append(s.sequence, b)
		}
	case textEscaped:
		s.state = ground
		if b != '\\' {
			s.state = escaped
			s.escape(b)
		}
	}
}

func (s *screen) ground(b byte) {
	if len(s.partial) > 0 && b < utf8.RuneSelf {
		s.put(utf8.RuneError)
		s.partial = s.partial[:0]
	}
	switch {
	case b == escapeControl:
		s.state, s.sequence = escaped, s.sequence[:0]
	case b == '\n':
		s.kept = max(s.kept, s.keptLine)
		s.lineFeed()
		s.keptLine = 0
	case b == '\r':
		s.keptLine = max(s.kept, s.keptLine)
		s.move(s.rowStart())
	case b == '\b':
		s.touched = true
		s.move(s.col - 1)
	case b == '\t':
		s.put('\t')
	case b < ' ' || b == 0x7f:
	case b < utf8.RuneSelf:
		s.put(rune(b))
	default:
		s.partial = append(s.partial, b)
		for len(s.partial) > 0 && utf8.FullRune(s.partial) {
			r, size := utf8.DecodeRune(s.partial)
			s.put(r)
			s.partial = s.partial[:copy(s.partial, s.partial[size:])]
		}
	}
}

// rowStart is where the cursor's row starts. Behind the last column the cursor stays on its row until more text comes.
func (s *screen) rowStart() int {
	if s.full {
		return (s.col - 1) / s.width * s.width
	}
	return s.col / s.width * s.width
}

// move puts the cursor somewhere else on the line.
func (s *screen) move(col int) {
	s.col, s.full, s.moved = min(max(col, 0), maxCells-1), false, true
	s.kept = min(s.kept, s.col)
}

// put writes a rune at the cursor. A blank that replaces something erases it.
func (s *screen) put(r rune) {
	if s.col >= maxCells {
		s.emit(s.whole(), false)
		s.clear()
	}
	s.keptLine = 0
	if r != ' ' {
		if s.wiping && s.touched && s.kept > 0 {
			s.cells, s.kept = append(s.cells[:0:0], s.line()...), 0
		}
		s.wiping = false
	} else if s.wiping || s.col < len(s.cells) {
		r = 0
	}
	s.touched = s.touched || s.col < len(s.ghost)
	for len(s.cells) <= s.col {
		s.cells = append(s.cells, 0)
	}
	s.cells[s.col] = r
	s.col++
	s.full = s.col%s.width == 0
	s.printed = true
}

func (s *screen) lineFeed() {
	if row := s.rowStart(); row+s.width < len(s.cells) && s.moved && len(s.cells) < maxCells {
		s.move(s.col + s.width) // from an upper row of a wide line to the next one
		return
	}
	s.emit(s.whole(), true)
	s.clear()
	s.ended = true
}

// clear starts an empty line.
func (s *screen) clear() {
	s.cells, s.col, s.ghost, s.moved = s.cells[:0], 0, nil, false
	s.full, s.wiping, s.touched = false, false, false
}

// whole is the line as it is when it ends: with a pager's text, if the device has gone on behind it as behind any other.
func (s *screen) whole() string {
	if s.ghost != nil && !s.touched {
		cells := slices.Clone(s.ghost)
		if len(s.cells) > len(cells) {
			cells = append(cells, s.cells[len(cells):]...)
		}
		return render(cells)
	}
	return s.String()
}

// String is the line that the cursor is on.
func (s *screen) String() string { return render(s.line()) }

// line has what stood before a pager's text as well.
func (s *screen) line() []rune {
	if s.ghost == nil || !s.touched || s.kept == 0 {
		return s.cells
	}
	cells := slices.Clone(s.ghost[:s.kept])
	if len(s.cells) > s.kept {
		cells = append(cells, s.cells[s.kept:]...)
	}
	return cells
}

func render(cells []rune) string {
	end := len(cells)
	for end > 0 && cells[end-1] == 0 {
		end--
	}
	var b strings.Builder
	b.Grow(end)
	for _, r := range cells[:end] {
		if r == 0 {
			r = ' '
		}
		b.WriteRune(r)
	}
	return b.String()
}

// turn takes a pager's text away.
func (s *screen) turn() {
	s.ghost = slices.Clone(s.line())
	s.kept = min(s.col, len(s.ghost))
	s.cells, s.moved, s.touched, s.wiping = s.cells[:0], false, false, true
}

// stay puts a pager's text back, which nothing turns.
func (s *screen) stay() {
	if !s.touched && len(s.cells) == 0 {
		s.cells = s.ghost
	}
	s.ghost = nil
}

func (s *screen) escape(b byte) {
	s.state = ground
	switch b {
	case '[':
		s.state = control
	case ']', 'P', 'X', '^', '_':
		s.state = text
	case '(', ')', '*', '+', '-', '.', '/', '#', '%', ' ':
		s.state = escapedSkip
	case escapeControl:
		s.state = escaped
	case 'E': // next line
		s.lineFeed()
	case '7':
		s.saved = s.col
	case '8':
		s.touched = true
		s.move(s.saved)
	case 'c': // reset
		s.erase(0, len(s.cells))
		s.move(0)
	case 'Z':
		s.answer("\x1b[?6c")
	default:
		if b < ' ' {
			s.ground(b)
		}
	}
}

func (s *screen) control(b byte) {
	switch {
	case b == cancel || b == substitute:
		s.state = ground
	case b == escapeControl:
		s.state, s.sequence = escaped, s.sequence[:0]
	case b < ' ': // obeyed where it stands
		s.ground(b)
	case b >= 0x40 && b < 0x7f:
		s.state = ground
		s.obey(string(s.sequence), b)
	case b < 0x40:
		if s.sequence = append(s.sequence, b); len(s.sequence) > maxSequence {
			s.state = ground
		}
	default:
		s.state = ground
		s.ground(b)
	}
}

// obey carries out a control sequence.
func (s *screen) obey(parameters string, final byte) {
	if strings.HasPrefix(parameters, "?") || strings.HasPrefix(parameters, ">") || strings.HasPrefix(parameters, "=") {
		return // modes of the terminal
	}
	fields := strings.Split(parameters, ";")
	number := func(i, fallback int) int {
		if i >= len(fields) {
			return fallback
		}
		n, err := strconv.Atoi(fields[i])
		if err != nil || n < 0 {
			return fallback
		}
		return min(n, maxParameter)
	}
	count := max(number(0, 1), 1)
	switch final {
	case 'm', 'h', 'l', 'r':
		return
	case 's':
		s.saved = s.col
		return
	case 'n':
		switch number(0, 0) {
		case 5:
			s.answer("\x1b[0n")
		case 6:
			s.answer("\x1b[1;" + strconv.Itoa(s.col%s.width+1) + "R")
		}
		return
	case 'c':
		s.answer("\x1b[?6c")
		return
	}
	s.touched = true
	switch row := s.rowStart(); final {
	case 'A':
		s.move(max(s.col-count*s.width, s.col%s.width))
	case 'B':
		s.move(s.col + count*s.width)
	case 'C', 'a':
		s.move(s.col + count)
	case 'D':
		s.move(s.col - count)
	case 'E':
		for range min(count, 100) {
			s.lineFeed()
		}
	case 'G', '`':
		s.move(row + min(count, s.width) - 1)
	case 'H', 'f':
		s.move(row + min(max(number(1, 1), 1), s.width) - 1)
	case 'u':
		s.move(s.saved)
	case 'J', 'K':
		s.moved = true
		switch number(0, 0) {
		case 0:
			s.erase(s.col, len(s.cells))
		case 1:
			s.erase(0, s.col+1)
		default:
			s.erase(0, len(s.cells))
		}
	case 'L': // inserted lines push this one up
		for range min(count, 100) {
			if s.String() != "" {
				s.move(len(s.cells)) // from any of its rows
				s.lineFeed()
			}
		}
	case 'P':
		if s.col < len(s.cells) {
			s.cells = slices.Delete(s.cells, s.col, min(s.col+count, len(s.cells)))
		}
	case '@':
		if s.col < len(s.cells) && len(s.cells)+count < maxCells {
			s.cells = slices.Insert(s.cells, s.col, make([]rune, count)...)
		}
	case 'X':
		s.moved = true
		s.erase(s.col, s.col+count)
	}
}

// erase empties cells.
func (s *screen) erase(from, to int) {
	s.kept = min(s.kept, from)
	for i := from; i < min(to, len(s.cells)); i++ {
		s.cells[i] = 0
	}
	if to >= len(s.cells) && from < len(s.cells) {
		s.cells = s.cells[:from]
	}
}

func (s *screen) answer(text string) {
	if s.reply != nil {
		s.reply(text)
	}
}
