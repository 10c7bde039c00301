package test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei/schemas"
)

// info is the reply of a service to $SRV.INFO.
type info struct {
	Name      string `json:"name"`
	Version   string `json:"version"`
	Endpoints []struct {
		Name, Subject string
		Metadata      map[string]string
	} `json:"endpoints"`
}

// TestSchemasAreServed: each endpoint of each service names the schemas of its
// request and its reply. schemas.get returns them, and their digests match.
func TestSchemasAreServed(t *testing.T) {
	t.Parallel()
	s := up(t)
	nc := connect(t, s.nats)
	inbox := nc.NewRespInbox()
	sub, err := nc.SubscribeSync(inbox)
	require.NoError(t, err)
	require.NoError(t, nc.PublishRequest("$SRV.INFO", inbox, nil))
	subjects := map[string]bool{}
	for services := map[string]bool{}; len(services) < 7; {
		msg, err := sub.NextMsg(time.Minute)
		require.NoError(t, err, "only %v have answered", services)
		var service info
		require.NoError(t, json.Unmarshal(msg.Data, &service))
		services[service.Name] = true
		require.NotEqual(t, "0.0.0", service.Version, service.Name)
		for _, e := range service.Endpoints {
			subjects[e.Subject] = true
			if e.Metadata["internal"] == "true" {
				require.Empty(t, e.Metadata["schema.request"], e.Subject)
				continue
			}
			for _, side := range []string{"request", "reply"} {
				id, digest := e.Metadata["schema."+side], e.Metadata["schema."+side+".sha256"]
				require.True(t, strings.HasPrefix(id, "urn:hodei:v1:"), "%s of %s", side, e.Subject)
				reply, err := nc.Request(schemas.GetSchema.Subject, []byte(`{"name":"`+id+`"}`), time.Minute)
				require.NoError(t, err)
				var got struct{ Schema json.RawMessage }
				require.NoError(t, json.Unmarshal(reply.Data, &got), "%s", reply.Data)
				require.Equal(t, id, decode(t, got.Schema)["$id"])
				sum := sha256.Sum256(got.Schema)
				require.Equal(t, hex.EncodeToString(sum[:]), digest, "%s of %s", side, e.Subject)
			}
		}
	}
	for _, op := range schemas.Operations {
		if op.Subject != "" && !op.PerWorker {
			require.True(t, subjects[op.Filter()], "%s is served", op.Subject)
		}
	}
	reply, failed := ask(t, nc, schemas.GetSchema.Subject, `{"name":"nothing"}`)
	require.Equal(t, "404", reply.Header.Get("Nats-Service-Error-Code"))
	require.Equal(t, "NOT_FOUND", failed["error"])
}
