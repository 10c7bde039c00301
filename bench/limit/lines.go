package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"time"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"
)

// lines runs the given commands, each with `sh -c` and all in parallel, and
// does the minimum for a log: it reads the pipe, splits, stamps, numbers and
// encodes the lines as JSON, and writes them to a file.
func lines(_ int, out string, commands []string) error {
	var g errgroup.Group
	for i, command := range commands {
		g.Go(func() error { return keep(command, out+strconv.Itoa(i)) })
	}
	return g.Wait()
}

func keep(command, path string) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	cmd := exec.Command("/bin/sh", "-c", command)
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	w := bufio.NewWriterSize(file, 256<<10)
	if err := encode(w, pipe); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return cmd.Wait()
}

// encode stamps the lines of one read with one time.
func encode(w io.Writer, r io.Reader) error {
	buf, rest := make([]byte, 64<<10), []byte(nil)
	var encoded, stamp []byte
	sequence := int64(0)
	for {
		n, err := r.Read(buf)
		stamp = time.Now().UTC().AppendFormat(stamp[:0], time.RFC3339Nano)
		encoded = encoded[:0]
		for p := buf[:n]; len(p) > 0; {
			line, after, whole := bytes.Cut(p, []byte("\n"))
			if !whole {
				rest = append(rest, p...)
				break
			}
			if len(rest) > 0 {
				rest = append(rest, line...)
				line = rest
			}
			sequence++
			encoded = appendLine(encoded, stamp, line, sequence)
			rest, p = rest[:0], after
		}
		if _, err := w.Write(encoded); err != nil {
			return err
		}
		switch {
		case err == io.EOF && len(rest) > 0:
			return fmt.Errorf("the last line has no end")
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}

func appendLine(dst, stamp, line []byte, sequence int64) []byte {
	dst = append(append(append(dst, `{"timestamp":"`...), stamp...), `","stream":"stdout","line":"`...)
	dst = appendText(dst, line)
	dst = strconv.AppendInt(append(dst, `","sequence":`...), sequence, 10)
	return append(dst, '}', '\n')
}

// appendText copies text that needs no escape at once.
func appendText(dst, text []byte) []byte {
	for i, c := range text {
		if c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			return append(append(dst, text[:i]...), strconv.Quote(string(text[i:]))...)
		}
	}
	return append(dst, text...)
}
