package job

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"time"
)

// maxLine bounds a job's line, in bytes.
const maxLine = 1 << 20

// line is one line of the input that isn't blank.
type line struct {
	number  int // from 1
	text    []byte
	tooLong bool
	read    time.Time
}

// input is the lines of a reader, as they come.
type input struct {
	lines chan line
	// err is set before lines is closed; nil at the reader's end.
	err error
}

// read starts to read. The goroutine ends with the reader's end, or when gone is done and the reader gives it anything.
func read(gone context.Context, r io.Reader) *input {
	in := &input{lines: make(chan line)}
	go func() {
		defer close(in.lines)
		in.err = in.pump(gone, bufio.NewReaderSize(r, 64<<10))
	}()
	return in
}

func (in *input) pump(gone context.Context, r *bufio.Reader) error {
	for number := 1; ; number++ {
		text, tooLong, err := nextLine(r)
		if text = bytes.TrimSpace(text); len(text) > 0 || tooLong {
			select {
			case in.lines <- line{number, text, tooLong, time.Now()}:
			case <-gone.Done():
				return nil
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// nextLine reads up to the next line break. Of a line that is too long it keeps the start.
func nextLine(r *bufio.Reader) (text []byte, tooLong bool, err error) {
	for {
		piece, err := r.ReadSlice('\n')
		if tooLong = tooLong || len(text)+len(piece) > maxLine; !tooLong {
			text = append(text, piece...)
		} else if len(text) == 0 {
			text = append(text, piece...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return text, tooLong, err
		}
	}
}
