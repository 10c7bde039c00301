package hodei

import (
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// Kind distinguishes identifiers of different records at compile time.
type Kind interface {
	pipelineKind | jobKind | runKind | executionKind | workerKind | scheduleKind | tokenKind | auditKind | hookKind | deliveryKind | notificationKind | artifactKind | blobKind | cacheKind
	// Prefix returns the start of the textual form, without the underscore.
	Prefix() string
	// Noun returns the name of the record in messages.
	Noun() string
}

type (
	pipelineKind     struct{}
	jobKind          struct{}
	runKind          struct{}
	executionKind    struct{}
	workerKind       struct{}
	scheduleKind     struct{}
	tokenKind        struct{}
	auditKind        struct{}
	hookKind         struct{}
	deliveryKind     struct{}
	notificationKind struct{}
	artifactKind     struct{}
	blobKind         struct{}
	cacheKind        struct{}
)

func (pipelineKind) Prefix() string     { return "pipe" }
func (pipelineKind) Noun() string       { return "pipeline" }
func (jobKind) Prefix() string          { return "job" }
func (jobKind) Noun() string            { return "job" }
func (runKind) Prefix() string          { return "run" }
func (runKind) Noun() string            { return "run" }
func (executionKind) Prefix() string    { return "exec" }
func (executionKind) Noun() string      { return "execution" }
func (workerKind) Prefix() string       { return "worker" }
func (workerKind) Noun() string         { return "worker" }
func (scheduleKind) Prefix() string     { return "sched" }
func (scheduleKind) Noun() string       { return "schedule" }
func (tokenKind) Prefix() string        { return "token" }
func (tokenKind) Noun() string          { return "token" }
func (auditKind) Prefix() string        { return "audit" }
func (auditKind) Noun() string          { return "audit record" }
func (hookKind) Prefix() string         { return "hook" }
func (hookKind) Noun() string           { return "hook" }
func (deliveryKind) Prefix() string     { return "dlv" }
func (deliveryKind) Noun() string       { return "delivery" }
func (notificationKind) Prefix() string { return "note" }
func (notificationKind) Noun() string   { return "notification" }
func (artifactKind) Prefix() string     { return "artifact" }
func (artifactKind) Noun() string       { return "artifact" }
func (blobKind) Prefix() string         { return "blob" }
func (blobKind) Noun() string           { return "blob" }
func (cacheKind) Prefix() string        { return "cache" }
func (cacheKind) Noun() string          { return "cache" }

// ID identifies one record. It is a UUIDv7 (RFC 9562), so identifiers sort by
// creation time. In text it has the prefix of its kind ("pipe_0193…"); in
// Postgres it is a native uuid.
type ID[K Kind] [16]byte

type (
	PipelineID     = ID[pipelineKind]
	JobID          = ID[jobKind]
	RunID          = ID[runKind]
	ExecutionID    = ID[executionKind]
	WorkerID       = ID[workerKind]
	ScheduleID     = ID[scheduleKind]
	TokenID        = ID[tokenKind]
	AuditID        = ID[auditKind]
	HookID         = ID[hookKind]
	DeliveryID     = ID[deliveryKind]
	NotificationID = ID[notificationKind]
	ArtifactID     = ID[artifactKind]
	BlobID         = ID[blobKind]
	CacheID        = ID[cacheKind]
)

// textSize is enough for the textual form of every kind.
const textSize = 48

// UUIDPattern is the regular expression of the part after the prefix.
const UUIDPattern = "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"

// Prefix returns the prefix of the kind, without the underscore.
func (id ID[K]) Prefix() string { var k K; return k.Prefix() }

// Noun returns the name of the record.
func (id ID[K]) Noun() string { var k K; return k.Noun() }

// IsZero reports whether the identifier is unset.
func (id ID[K]) IsZero() bool { return id == ID[K]{} }

// String returns the textual form: the prefix, an underscore and the UUID in
// lower case.
func (id ID[K]) String() string {
	text, _ := id.AppendText(make([]byte, 0, textSize))
	return string(text)
}

// AppendText appends the textual form to b; it never fails.
func (id ID[K]) AppendText(b []byte) ([]byte, error) {
	b = append(b, id.Prefix()...)
	b = append(b, '_')
	for i, part := range [...][2]int{{0, 4}, {4, 6}, {6, 8}, {8, 10}, {10, 16}} {
		if i > 0 {
			b = append(b, '-')
		}
		b = hex.AppendEncode(b, id[part[0]:part[1]])
	}
	return b, nil
}

// MarshalText returns the textual form; it never fails.
func (id ID[K]) MarshalText() ([]byte, error) { return id.AppendText(make([]byte, 0, textSize)) }

// UnmarshalText parses the textual form; see ParseID.
func (id *ID[K]) UnmarshalText(text []byte) error {
	parsed, err := ParseID[K](string(text))
	if err == nil {
		*id = parsed
	}
	return err
}

// Time returns when the identifier was created, in UTC to the millisecond, by
// the clock of the process that created it (RFC 9562 §5.7).
func (id ID[K]) Time() time.Time {
	var ms int64
	for _, b := range id[:6] {
		ms = ms<<8 | int64(b)
	}
	return time.UnixMilli(ms).UTC()
}

// Day returns the UTC day on which the identifier was created.
func (id ID[K]) Day() time.Time { return id.Time().Truncate(24 * time.Hour) }

// ParseID parses an identifier with or without its prefix. Its errors are for
// users.
func ParseID[K Kind](text string) (ID[K], error) {
	var id ID[K]
	rest := strings.TrimPrefix(text, id.Prefix()+"_")
	if len(rest) != 36 || rest[8] != '-' || rest[13] != '-' || rest[18] != '-' || rest[23] != '-' {
		return id, fmt.Errorf("%q is no %s id: UUID format required", Clip(text, maxQuoted), id.Noun())
	}
	digits := make([]byte, 0, textSize)
	for _, part := range [...]string{rest[:8], rest[9:13], rest[14:18], rest[19:23], rest[24:]} {
		digits = append(digits, part...)
	}
	if _, err := hex.Decode(id[:], digits); err != nil {
		return ID[K]{}, fmt.Errorf("%q is no %s id: UUID format required", Clip(text, maxQuoted), id.Noun())
	}
	return id, nil
}
