package definition

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"unicode/utf8"
)

// jsonReader reads JSON token by token, to know where each value stands.
type jsonReader struct {
	*reader
	text []byte
	dec  *json.Decoder
	// at is the position of the byte offset, so that none is counted twice.
	at     node
	offset int
}

func (r *reader) json(text []byte) *node {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if at := invalidUTF8(text); at >= 0 {
		r.add(position(text, at), "", "the text is not UTF-8")
		return nil
	}
	j := jsonReader{reader: r, text: text, dec: json.NewDecoder(bytes.NewReader(text)), at: node{line: 1, column: 1}}
	j.dec.UseNumber()
	n, err := j.value("", 0)
	if err == nil {
		_, err = j.dec.Token()
		switch {
		case errors.Is(err, io.EOF):
			return n
		case err == nil:
			err = errors.New("something follows the end of the document")
		}
	}
	at := int(j.dec.InputOffset())
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		at = int(syntax.Offset) - 1
	}
	for at >= 0 && at < len(text) && strings.IndexByte(" \t\r\n,", text[at]) >= 0 {
		at++
	}
	issue := err.Error()
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		issue, at = "it ends too early", len(text)
	}
	r.add(position(text, at), "", "the JSON cannot be read: "+issue)
	return nil
}

// next is the position of the token to come.
func (j *jsonReader) next() *node {
	offset := int(j.dec.InputOffset())
	for offset < len(j.text) && strings.IndexByte(" \t\r\n:,", j.text[offset]) >= 0 {
		offset++
	}
	between := j.text[j.offset:offset]
	if lines := bytes.Count(between, []byte("\n")); lines > 0 {
		j.at.line += lines
		j.at.column = 1
		between = between[bytes.LastIndexByte(between, '\n')+1:]
	}
	j.at.column += utf8.RuneCount(between)
	j.offset = offset
	return &node{line: j.at.line, column: j.at.column}
}

func (j *jsonReader) value(path string, depth int) (*node, error) {
	n := j.next()
	token, err := j.dec.Token()
	if err != nil {
		return nil, err
	}
	if !j.room(n, path, depth) {
		return nil, errors.New("it is too large")
	}
	n.flow = true
	switch v := token.(type) {
	case string:
		n.text, n.tag = v, "!!str"
		if strings.ContainsRune(v, 0) {
			j.add(n, path, "must not contain the NUL character")
		}
	case json.Number:
		n.text, n.tag = v.String(), "!!int"
		if strings.ContainsAny(n.text, ".eE") {
			n.tag = "!!float"
		}
	case bool:
		n.text, n.tag = map[bool]string{true: "true", false: "false"}[v], "!!bool"
	case nil:
		n.text, n.tag = "null", "!!null"
	case json.Delim:
		if v == '[' {
			return n, j.list(n, path, depth)
		}
		return n, j.object(n, path, depth)
	}
	return n, nil
}

func (j *jsonReader) list(n *node, path string, depth int) error {
	n.kind = list
	for j.dec.More() {
		item, err := j.value(at(path, len(n.items)), depth+1)
		if err != nil {
			return err
		}
		n.items = append(n.items, item)
	}
	_, err := j.dec.Token()
	return err
}

func (j *jsonReader) object(n *node, path string, depth int) error {
	n.kind = mapping
	for j.dec.More() {
		key := j.next()
		token, err := j.dec.Token()
		if err != nil {
			return err
		}
		key.text, key.tag = token.(string), "!!str" // the decoder takes no other key
		below := under(path, key.text)
		value, err := j.value(below, depth+1)
		if err != nil {
			return err
		}
		if n.get(key.text) != nil {
			j.add(key, below, "given twice")
			continue
		}
		n.set(key, value)
	}
	_, err := j.dec.Token()
	return err
}
