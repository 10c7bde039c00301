package edge_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/edge"
	"github.com/hodei-jobs/hodei/internal/local/localtest"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/schemas"
)

// receiving returns the address of an edge, and the path of a hook whose messages are valid.
func receiving(t *testing.T) (addr, path string) {
	t.Helper()
	nc, _ := localtest.JetStream(t)
	svc := rpc.New(rpc.Config{NATS: nc, Name: schemas.Orchestrator, Log: localtest.Log(t)})
	rpc.Handle(svc, schemas.ReceiveHook, func(context.Context, schemas.ReceiveHookRequest) (hodei.Delivery, error) {
		return hodei.Delivery{Status: hodei.DeliveryStarted}, nil
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- svc.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	<-svc.Ready()
	e, _ := serve(t, nc, edge.Config{})
	return e.Addrs()[0], "/hooks/" + newID[hodei.HookID]().String()
}

func deliver(client *http.Client, url, body string) error {
	resp, err := client.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	return nil
}

// TestSlowSendersDelayNoEvent, also none from their own address.
func TestSlowSendersDelayNoEvent(t *testing.T) {
	addr, path := receiving(t)
	for range 400 {
		conn, err := net.Dial("tcp", addr)
		require.NoError(t, err)
		defer conn.Close()
		_, err = fmt.Fprintf(conn, "POST /api/v1%s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n", path)
		require.NoError(t, err)
		status, err := bufio.NewReader(conn).ReadString('\n')
		require.NoError(t, err)
		require.Contains(t, status, "100 Continue", "the edge reads the body")
	}
	client := &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	require.NoError(t, deliver(client, "http://"+addr+"/api/v1"+path, "{}"))
}

// TestManyEventsAtOnce of one address are all received, as a forge sends them.
func TestManyEventsAtOnce(t *testing.T) {
	addr, path := receiving(t)
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxConnsPerHost: 500}}
	defer client.CloseIdleConnections()
	body := `{"text":"` + strings.Repeat("x", 30<<10) + `"}`
	var all errgroup.Group
	for range 500 {
		all.Go(func() error { return deliver(client, "http://"+addr+"/api/v1"+path, body) })
	}
	require.NoError(t, all.Wait())
}
