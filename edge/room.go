package edge

// room is the memory in which a stream reads and formats lines.
type room struct {
	lines []byte // as the feed joins them
	buf   []byte // as sent to the client
}

// rooms is shared by all log streams, which bounds their memory. A stream holds
// a room only while it does not wait for its client.
type rooms chan *room

const (
	// roomCount exceeds the number of cores of most machines and is small
	// beside what the streams themselves cost.
	roomCount = 32
	// roomKept is the largest buffer that is kept for the next stream.
	roomKept = 512 << 10
)

func newRooms() rooms {
	all := make(rooms, roomCount)
	for range roomCount {
		all <- &room{}
	}
	return all
}

func (all rooms) take() *room { return <-all }

func (all rooms) put(r *room) {
	if cap(r.lines) > roomKept {
		r.lines = nil
	}
	if cap(r.buf) > roomKept {
		r.buf = nil
	}
	r.buf = r.buf[:0]
	all <- r
}
