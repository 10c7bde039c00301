//go:build linux

package test

import (
	"fmt"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// link is one process's connection to NATS or to Postgres: a proxy that can be
// cut and disturbed without effect on other processes. (toxiproxy is
// unsuitable: it holds its lock while it waits for a stream that may need the
// lock after one end has died, and here ends die often.)
type link struct {
	addr, upstream string

	mu       sync.Mutex
	listener net.Listener // nil while the link is cut
	conns    map[net.Conn]bool
	trouble  [2]trouble    // upward and downward
	changed  chan struct{} // closed and replaced when trouble changes
}

// trouble is what happens to the bytes of one direction.
type trouble struct {
	drop bool          // they are lost
	hold time.Duration // they arrive later by this much, in order
	rate int           // bytes a second, 0 for no limit
}

const (
	upward = iota // to the server
	downward
)

// newLink listens on its own port and forwards to upstream.
func newLink(t testing.TB, upstream string) *link {
	t.Helper()
	l := &link{
		addr: fmt.Sprintf("127.0.0.1:%d", freePort(t)), upstream: upstream,
		conns: map[net.Conn]bool{}, changed: make(chan struct{}),
	}
	require.NoError(t, l.mend())
	t.Cleanup(l.cut)
	return l
}

// cut closes the connections and refuses new ones.
func (l *link) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.listener != nil {
		l.listener.Close()
		l.listener = nil
	}
	l.closeAll()
}

func (l *link) closeAll() {
	for conn := range l.conns {
		conn.Close()
	}
	clear(l.conns)
}

// mend ends a cut.
func (l *link) mend() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.listener != nil {
		return nil
	}
	listener, err := net.Listen("tcp", l.addr)
	if err != nil {
		return err
	}
	l.listener = listener
	go l.accept(listener)
	return nil
}

// disturb starts the trouble in both directions; without any, it ends trouble.
// Connections that have lost bytes are unusable and are closed.
func (l *link) disturb(upwards, downwards trouble) {
	l.mu.Lock()
	defer l.mu.Unlock()
	dropped := l.trouble[upward].drop || l.trouble[downward].drop
	l.trouble = [2]trouble{upwards, downwards}
	close(l.changed)
	l.changed = make(chan struct{})
	if dropped {
		l.closeAll()
	}
}

func (l *link) now(direction int) (trouble, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.trouble[direction], l.changed
}

func (l *link) accept(listener net.Listener) {
	for {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		go l.serve(listener, client)
	}
}

// serve connects the client with the server until one of them closes.
func (l *link) serve(listener net.Listener, client net.Conn) {
	defer client.Close()
	server, err := net.DialTimeout("tcp", l.upstream, 5*time.Second)
	if err != nil {
		return
	}
	defer server.Close()
	l.mu.Lock()
	if l.listener != listener { // cut in between
		l.mu.Unlock()
		return
	}
	l.conns[client], l.conns[server] = true, true
	l.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { l.carry(upward, client, server) })
	both.Go(func() { l.carry(downward, server, client) })
	both.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, client)
	delete(l.conns, server)
}

// parcel is the result of one read.
type parcel struct {
	data []byte
	at   time.Time
}

// carry copies from one end to the other in order, and closes both at the end.
func (l *link) carry(direction int, from, to net.Conn) {
	defer from.Close()
	defer to.Close()
	parcels := make(chan parcel, 1024) // in flight; a long delay must not block the sender soon
	over := make(chan struct{})
	defer close(over)
	go func() {
		defer close(parcels)
		for {
			buf := make([]byte, 16<<10)
			n, err := from.Read(buf)
			if n > 0 {
				select {
				case parcels <- parcel{buf[:n], time.Now()}:
				case <-over:
					return
				}
			}
			if err != nil {
				return
			}
		}
	}()
	for p := range parcels {
		if l.await(direction, p) {
			continue
		}
		if _, err := to.Write(p.data); err != nil {
			return
		}
	}
}

// await returns when the parcel is due, or reports that it is lost.
func (l *link) await(direction int, p parcel) (lost bool) {
	sent := time.Now() // the delay for its own length starts here
	for {
		t, changed := l.now(direction)
		if t.drop {
			return true
		}
		due := p.at.Add(t.hold)
		if t.rate > 0 {
			if slow := sent.Add(time.Duration(len(p.data)) * time.Second / time.Duration(t.rate)); slow.After(due) {
				due = slow
			}
		}
		wait := time.Until(due)
		if wait <= 0 {
			return false
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-changed:
		}
		timer.Stop()
	}
}

// freePort returns a free port outside the range of outgoing connections: a
// server that restarts must get its port again.
func freePort(t testing.TB) int {
	t.Helper()
	ports.Lock()
	defer ports.Unlock()
	if ports.next == 0 {
		ports.high = 32768
		if text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range"); err == nil {
			_, _ = fmt.Sscan(string(text), &ports.high) // on failure the usual one
		}
		ports.low = max(1024, ports.high-12000)
		ports.next = ports.low + os.Getpid()*97%(ports.high-ports.low)
	}
	for range ports.high - ports.low {
		port := ports.next
		if ports.next++; ports.next >= ports.high {
			ports.next = ports.low
		}
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			err = listener.Close()
		}
		if err == nil {
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}

// freePorts returns the first of n consecutive free ports.
func freePorts(t testing.TB, n int) int {
	t.Helper()
	for {
		first, row := freePort(t), 1
		for row < n && freePort(t) == first+row {
			row++
		}
		if row == n {
			return first
		}
	}
}

var ports struct {
	sync.Mutex
	low, high, next int
}
