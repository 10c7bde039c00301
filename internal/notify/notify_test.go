package notify

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
)

var here = Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}}

func message(t *testing.T, kind hodei.NotifyKind, address string) Message {
	t.Helper()
	m := Message{Event: hodei.NotifyFailed, Kind: kind, Address: address, CreatedAt: time.Now(), Now: time.Now()}
	require.NoError(t, m.ID.UnmarshalText([]byte("note_018d0c9f-1c40-7a1b-9d52-6f0e8a7b3ca2")))
	slug := "shop"
	m.Notice = hodei.NoticeOf(hodei.Run{Number: 42, Pipeline: &slug, Status: hodei.RunFailed, Trigger: hodei.RunTrigger{Kind: hodei.TriggerManual}}, nil)
	m.Why, m.URL = "test <linux> failed", "https://hodei.example.com/ui/runs/run_1"
	return m
}

// TestTheSignatureIsThatOfStandardWebhooks as their own library checks it.
func TestTheSignatureIsThatOfStandardWebhooks(t *testing.T) {
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	verifier, err := standardwebhooks.NewWebhook(secret)
	require.NoError(t, err)
	got := make(chan []byte, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if verifier.Verify(body, r.Header) != nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		got <- body
	}))
	defer srv.Close()
	m := message(t, hodei.NotifyWebhook, srv.URL)
	s := New(Config{Guard: here})
	m.Key = []byte("whsec_d3Jvbmcgd3Jvbmcgd3Jvbmcgd3Jvbmc=")
	require.EqualError(t, s.Send(t.Context(), m), "the target answered 401")
	m.Key = []byte(secret)
	require.NoError(t, s.Send(t.Context(), m))
	var body event
	require.NoError(t, json.Unmarshal(<-got, &body))
	require.Equal(t, "run.failed", body.Type)
	require.Equal(t, 42, body.Data.Run.Number)
}

func TestAddressesThatAreNotOfTheInternetAreRefused(t *testing.T) {
	for _, text := range []string{
		"127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "224.0.0.1",
		"255.255.255.255", "240.0.0.1", "198.18.0.1", "::1", "::", "fe80::1", "fe80::1%lo", "fd00::1", "ff02::1", "::ffff:127.0.0.1",
		"::ffff:169.254.169.254", "64:ff9b::7f00:1", "2002:7f00:1::", "::127.0.0.1",
	} {
		require.Error(t, Guard{}.Check(netip.MustParseAddr(text)), text)
	}
	for _, text := range []string{"1.1.1.1", "93.184.216.34", "2606:4700:4700::1111"} {
		require.NoError(t, Guard{}.Check(netip.MustParseAddr(text)), text)
	}
	allowed := Guard{Allow: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}}
	require.NoError(t, allowed.Check(netip.MustParseAddr("10.1.2.3")))
	require.NoError(t, allowed.Check(netip.MustParseAddr("::ffff:10.1.2.3")))
	require.Error(t, allowed.Check(netip.MustParseAddr("10.2.2.3")))
}

// TestTheAddressIsCheckedAfterTheNameIsLookedUp: a name may lead anywhere.
func TestTheAddressIsCheckedAfterTheNameIsLookedUp(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the target was reached") }))
	defer srv.Close()
	_, port, err := net.SplitHostPort(srv.Listener.Addr().String())
	require.NoError(t, err)
	err = New(Config{}).Send(t.Context(), message(t, hodei.NotifySlack, "http://localhost:"+port+"/secret"))
	require.ErrorContains(t, err, "is not of the internet")
	require.NotContains(t, err.Error(), "secret")
}

// TestRedirectsAreNotFollowed, and the proxy of the environment is not used.
func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		require.Equal(t, "/", r.URL.Path)
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}))
	defer srv.Close()
	err := New(Config{Guard: here}).Send(t.Context(), message(t, hodei.NotifySlack, srv.URL))
	require.EqualError(t, err, "the target answered 307; redirects are not followed")
}

func TestATargetThatHangsEndsInTime(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}))
	defer srv.Close()
	err := New(Config{Guard: here, Within: 50 * time.Millisecond}).Send(t.Context(), message(t, hodei.NotifySlack, srv.URL))
	require.EqualError(t, err, "the target did not answer in time")
}

func TestATargetThatIsGoneIsGivenUp(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) }))
	defer srv.Close()
	require.ErrorIs(t, New(Config{Guard: here}).Send(context.Background(), message(t, hodei.NotifySlack, srv.URL)), ErrFinal)
}

func TestTheTextForSlack(t *testing.T) {
	body, err := slack(message(t, hodei.NotifySlack, ""))
	require.NoError(t, err)
	var text struct{ Text string }
	require.NoError(t, json.Unmarshal(body, &text))
	require.Equal(t, "<https://hodei.example.com/ui/runs/run_1|shop#42 failed>\nWhy: test &lt;linux&gt; failed\nStarted by: manual", text.Text)
	require.False(t, strings.Contains(text.Text, "<linux>"))
}
