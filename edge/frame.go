package edge

import "strconv"

// The frames of server-sent events, for the streams of logs and of events. Each function
// appends to the buffer.

// frameID appends the field that a client sends back as Last-Event-ID. Followed by an empty
// line it is a frame without data, which a client remembers and does not report.
func frameID(buf []byte, id uint64) []byte {
	return append(strconv.AppendUint(append(buf, "id: "...), id, 10), '\n')
}

// frameIdle appends a comment that shows that the stream is alive.
func frameIdle(buf []byte) []byte { return append(buf, ": keep-alive\n\n"...) }

// frameDone appends the last frame of a stream that is complete.
func frameDone(buf, body []byte) []byte {
	return append(append(append(buf, "event: done\ndata: "...), body...), "\n\n"...)
}
