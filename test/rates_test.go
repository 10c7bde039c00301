package test

import (
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/client"
	"github.com/hodei-jobs/hodei/schemas"
)

// flood makes requests at once and counts their statuses.
func (s guarded) flood(n int, header http.Header) map[int]int {
	var mu sync.Mutex
	var all sync.WaitGroup
	counts := map[int]int{}
	for range 20 {
		all.Go(func() {
			for range n / 20 {
				status, body, answered := request(s.t, "GET", s.orchestrator+"/whoami", "", header)
				mu.Lock()
				counts[status]++
				if status == 429 {
					wait, err := strconv.Atoi(answered.Get("Retry-After"))
					counts[-1] += min(wait, 1)
					if err != nil || len(body) == 0 || !containsCode(body, "RATE_LIMITED") {
						counts[-2]++
					}
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return counts
}

func containsCode(body []byte, code string) bool {
	return len(body) > 0 && string(body[:len(`{"error":"`)+len(code)]) == `{"error":"`+code
}

// TestRatesOfTokensAndAddresses: each token and each address has its own rate. One that is
// used up does not slow down the others, and passes.
func TestRatesOfTokensAndAddresses(t *testing.T) {
	t.Parallel()
	s := upWithAuth(t, "--workers", "0", "--rate-per-token", "5", "--rate-per-address", "30", "--trusted-proxy", "127.0.0.1")
	_, busy := s.token(hodei.Viewer, "")
	_, calm := s.token(hodei.Viewer, "")
	from := func(address, token string) http.Header {
		head := http.Header{"X-Forwarded-For": {address}}
		if token != "" {
			head.Set("Authorization", "Bearer "+token)
		}
		return head
	}
	counts := s.flood(40, from("203.0.113.1", busy)) // fewer than the burst of the address
	require.GreaterOrEqual(t, counts[200], 10, counts)
	require.GreaterOrEqual(t, counts[429], 16, counts)
	require.Equal(t, counts[429], counts[-1], "each has Retry-After")
	require.Zero(t, counts[-2], "each has the code")
	status, _, _ := request(t, "GET", s.orchestrator+"/whoami", "", from("203.0.113.1", calm))
	require.Equal(t, 200, status, "another token at the same address")
	cookie := s.signIn(busy, "X-Forwarded-For", "203.0.113.9")
	status, _, _ = request(t, "GET", s.orchestrator+"/whoami", "", http.Header{"X-Forwarded-For": {"203.0.113.9"}, "Cookie": {cookie.Name + "=" + cookie.Value}})
	require.Contains(t, []int{200, 429}, status, "a session shares the rate of its token")

	counts = s.flood(1000, from("203.0.113.2", ""))
	require.GreaterOrEqual(t, counts[401], 60, counts)
	require.GreaterOrEqual(t, counts[429], 300, "before a token is looked at: %v", counts)
	status, _, _ = request(t, "GET", s.orchestrator+"/readyz", "", from("203.0.113.2", ""))
	require.Contains(t, []int{200, 429}, status)
	status, _, _ = request(t, "GET", s.orchestrator+"/whoami", "", from("203.0.113.3", calm))
	require.Equal(t, 200, status, "another address")

	eventually(t, "the rate recovers", time.Minute, func() bool {
		status, _, _ := request(t, "GET", s.orchestrator+"/whoami", "", from("203.0.113.4", busy))
		return status == 200
	})
	c := client.HTTP(s.orchestrator, client.WithToken(calm))
	for range 25 { // more than the burst: the SDK waits and repeats
		_, err := c.ListPipelines(t.Context(), schemas.ListPipelinesRequest{})
		require.NoError(t, err)
	}
}

// TestConnectionsOfOneAddress: one address cannot take all connections.
func TestConnectionsOfOneAddress(t *testing.T) {
	t.Parallel()
	s := up(t, "--workers", "0", "--max-connections-per-client", "10")
	var open []net.Conn
	refused := 0
	addr := s.orchestrator[len("http://"):]
	for range 15 {
		conn, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		defer conn.Close()
		open = append(open, conn)
	}
	for _, conn := range open {
		fmt.Fprint(conn, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(30*time.Second)))
		buf := make([]byte, 12)
		if n, _ := conn.Read(buf); string(buf[:n]) != "HTTP/1.1 200" {
			refused++
		}
	}
	require.Equal(t, 5, refused)
	for _, conn := range open {
		require.NoError(t, conn.Close())
	}
	eventually(t, "closed connections make room", time.Minute, func() bool {
		conn, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		defer conn.Close()
		fmt.Fprint(conn, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(30*time.Second)))
		buf := make([]byte, 12)
		n, _ := conn.Read(buf)
		return string(buf[:n]) == "HTTP/1.1 200"
	})
}
