package edge

// room is the memory in which a stream reads and formats lines.
type room struct {
	lines []byte // as the feed joins them
	buf   []byte // as the client is sent them
}

// rooms are shared by all streams of logs, which bounds their memory however many
// there are. A stream holds one only while it does not wait for its client.
type rooms chan *room

const (
	// roomCount is more than there are cores, and little beside what a stream
	// costs in any case.
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
