package check

import (
	"fmt"
	"time"

	"github.com/nats-io/jsm.go"
	"github.com/nats-io/jsm.go/api"
	"github.com/nats-io/jsm.go/monitor"
	"github.com/nats-io/nats.go"

	"github.com/hodei-jobs/hodei/schemas"
)

// Stream is a stream as JetStream reports it.
type Stream struct {
	Name string
	// Info is nil when the stream does not exist.
	Info *api.StreamInfo
	// Problems are the thresholds that the stream exceeds, in words.
	Problems []string
}

// streamNotFound is JetStream's error code for a stream that does not exist.
const streamNotFound = 10059

// Streams reports on every stream of kv.Setup. JetStream may take so long for each answer.
func Streams(nc *nats.Conn, within time.Duration) ([]Stream, error) {
	mgr, err := jsm.New(nc, jsm.WithTimeout(within))
	if err != nil {
		return nil, err
	}
	var all []Stream
	for _, name := range schemas.Streams {
		s := Stream{Name: name}
		stream, err := mgr.LoadStream(name)
		switch {
		case jsm.IsNatsError(err, streamNotFound):
		case err != nil:
			return nil, fmt.Errorf("look up stream %s: %w", name, err)
		default:
			if s.Info, err = stream.LatestInformation(); err != nil {
				return nil, fmt.Errorf("look up stream %s: %w", name, err)
			}
			s.Problems = problems(s.Info)
		}
		all = append(all, s)
	}
	return all, nil
}

// problems compares a stream with the thresholds in its metadata.
func problems(info *api.StreamInfo) []string {
	thresholds, err := monitor.ExtractStreamHealthCheckOptions(info.Config.Metadata)
	if err != nil {
		return []string{"its metadata has a threshold that cannot be read: " + err.Error()}
	}
	var result monitor.Result
	monitor.CheckStreamInfoHealth(info, &result, *thresholds, api.NewDiscardLogger())
	return append(result.Criticals, result.Warnings...)
}
