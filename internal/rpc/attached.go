package rpc

import (
	"strconv"

	"github.com/nats-io/nats.go"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

// attaching is a request or a reply that carries bytes: it embeds schemas.Attached.
type attaching interface{ Attachment() []byte }

// attachable is a pointer to a message that carries bytes.
type attachable interface{ Attach(data []byte) }

// attach appends the bytes that a message carries to its JSON and sets the header with their
// number.
func attach(header nats.Header, body []byte, message any) []byte {
	carries, ok := message.(attaching)
	if !ok {
		return body
	}
	data := carries.Attachment()
	header[schemas.HeaderAttached] = []string{strconv.Itoa(len(data))}
	return append(body, data...)
}

// detach splits a body into the JSON and the bytes that follow it; nil without such bytes.
func detach(count string, body []byte) (document, data []byte, err error) {
	if count == "" {
		return body, nil, nil
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 0 || n > len(body) || n > MaxBody {
		return nil, nil, hodei.InvalidField("body", schemas.HeaderAttached+" must be the number of bytes that follow the JSON, at most "+strconv.Itoa(MaxBody))
	}
	return body[:len(body)-n], body[len(body)-n:], nil
}
