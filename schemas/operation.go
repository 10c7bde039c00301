package schemas

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/hodei-jobs/hodei"
)

// Names of the services, as `nats service ls` shows them.
const (
	Orchestrator  = "orchestrator"
	Scheduler     = "scheduler"
	WorkerManager = "worker-manager"
	Worker        = "worker"
	Edge          = "edge"
	Access        = "access"
	Artifacts     = "artifacts"
)

// Op is one operation, with everything that its interfaces need.
type Op struct {
	// Name is the noun and the verb, such as "pipelines.create".
	Name string
	// Role is what a caller needs: one of hodei.Roles, or that of a service or a worker.
	// From it follow the check in internal/rpc, the security of OpenAPI, the metadata of
	// the endpoint, docs/permissions.md and the NATS permissions.
	Role hodei.Role
	// DryRun means that a request with dry_run changes nothing: the role viewer suffices for it.
	DryRun bool
	// Limit defines what the operation allows to a caller that is limited to pipelines. The
	// check in internal/rpc and docs/permissions.md are derived from it.
	Limit Limit
	// Service is the micro service that handles it.
	Service string
	// AskedBy are the services that send this request as part of their own work. The edge also
	// sends requests for each operation with a route, and for the health of the services. NATS
	// permissions are derived from this list; a test compares it with the source.
	AskedBy []string
	// Subject is its NATS subject; "" for an operation of the edge, which is over HTTP only.
	Subject string
	// PerWorker means that a worker answers: its id is the last token of the subject.
	PerWorker bool
	// ByWorker means that a worker calls it: its id is the last token of the subject, so that
	// NATS permissions can limit each worker to its own subjects, and the request is
	// FromWorker with the same id.
	ByWorker bool
	// Internal means that only Hodei's own programs call it: the messages may change with
	// every version, and their schemas are not published. Each operation that is
	// PerWorker or ByWorker is internal.
	Internal bool
	// Method and Path are the REST route; "" for none. A {name} in the path is the
	// request field of that name.
	Method, Path string
	// Status is the HTTP status of success. A reply that implements
	// Statuser may choose Other instead.
	Status, Other int
	// Creates means that an Idempotency-Key makes a repeat harmless.
	Creates bool
	// YAML means that HTTP accepts or returns the definition of a pipeline as YAML too.
	YAML bool
	// Streams means that the reply is server-sent events.
	Streams bool
	// File is true if the reply is a file.
	File bool
	// Open ignores unknown fields of the request, so that a program of a later
	// version may send it. An operation without a route is always open. An
	// operation with a route refuses unknown fields, which are more often typos
	// than fields of a later version, unless it sets Open.
	Open bool
	// Summary is one line for users, Description the details.
	Summary, Description string
	// Errors are the codes it can fail with, in addition to those of every
	// operation: VALIDATION_ERROR, UNAVAILABLE, TIMEOUT, INTERNAL_ERROR.
	Errors []hodei.Code

	Request, Reply reflect.Type

	waits bool
}

// RoleFor returns the role that the request needs.
func (o *Op) RoleFor(request any) hodei.Role {
	if o.DryRun && reflect.ValueOf(request).FieldByIndex(fieldOf(o.Request, "dry_run").Index).Bool() {
		return hodei.Viewer
	}
	return o.Role
}

// LeastRole returns the lowest role that a request for the operation may need.
func (o *Op) LeastRole() hodei.Role {
	if o.DryRun {
		return hodei.Viewer
	}
	return o.Role
}

// Waits reports whether the request has a time to wait before the answer.
func (o *Op) Waits() bool { return o.waits }

// Statuser is a reply that chooses its own HTTP status.
type Statuser interface{ StatusCode() int }

// Operation is an Op with the types of its request and its reply.
type Operation[Req, Rep any] struct{ *Op }

// Operations lists every operation, in the order of declaration.
var Operations []*Op

// declare completes the operation and adds it to the table.
func declare[Req, Rep any](op Op) Operation[Req, Rep] {
	op.Request, op.Reply = reflect.TypeFor[Req](), reflect.TypeFor[Rep]()
	if op.Subject == "" && op.Service != Edge {
		op.Subject = Root + op.Name
	}
	if op.Status == 0 {
		op.Status = 200
	}
	op.Open = op.Open || op.Method == ""
	op.Internal = op.Internal || op.PerWorker || op.ByWorker
	if op.Request.Kind() == reflect.Struct {
		_, op.waits = op.Request.FieldByName("WaitSeconds")
	}
	for _, name := range op.Limit.fields() {
		fieldOf(op.Request, name)
	}
	Operations = append(Operations, &op)
	return Operation[Req, Rep]{&op}
}

// Endpoint returns the operation's micro endpoint name.
func (o *Op) Endpoint() string { return strings.ReplaceAll(o.Name, ".", "-") }

// SubjectFor is the subject of an operation that is PerWorker or ByWorker, for one
// worker.
func (o *Op) SubjectFor(id hodei.WorkerID) string { return o.Subject + "." + id.String() }

// Filter is the subject, or that of every worker where an operation is ByWorker.
func (o *Op) Filter() string {
	if o.ByWorker {
		return o.Subject + ".*"
	}
	return o.Subject
}

// ForPeople reports whether people may send requests for the operation over NATS.
func (o *Op) ForPeople() bool { return o.Subject != "" && slices.Contains(hodei.Roles, o.Role) }

// PeopleSubject returns the subject on which requests of people on NATS arrive.
func (o *Op) PeopleSubject() string { return PeoplePrefix + o.Subject }

// FromWorker is the request of an operation that a worker asks for.
type FromWorker interface{ Sender() hodei.WorkerID }

// RequestSchema and ReplySchema name the schemas.
func (o *Op) RequestSchema() string { return SchemaName(o.Request) }
func (o *Op) ReplySchema() string   { return SchemaName(o.Reply) }

// Field is one field of a request that does not travel in the HTTP body.
type Field struct {
	Name string
	In   string // "path" or "query"
	Type reflect.Type
}

// Fields returns the request's path and query parameters, in order of
// declaration.
func (o *Op) Fields() []Field {
	var fields []Field
	for _, f := range reflect.VisibleFields(o.Request) {
		in := f.Tag.Get("in")
		if in == "" || f.Anonymous {
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		t := f.Type
		if t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		fields = append(fields, Field{Name: name, In: in, Type: t})
	}
	return fields
}

// Resource returns the noun of the record that a path parameter identifies,
// such as "pipeline", and "" for other fields.
func (f Field) Resource() string {
	if id, ok := reflect.New(f.Type).Elem().Interface().(interface{ Noun() string }); ok {
		return id.Noun()
	}
	return ""
}

// SchemaName is the name of the type's schema:
// CreatePipelineRequest becomes "create_pipeline_request", a list of pipelines
// "pipeline_list".
func SchemaName(t reflect.Type) string {
	var b strings.Builder
	for i, r := range TypeName(t) {
		if r >= 'A' && r <= 'Z' {
			if i > 0 {
				b.WriteByte('_')
			}
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return b.String()
}

// TypeName returns the type's name in schemas and in OpenAPI.
func TypeName(t reflect.Type) string {
	name := t.Name()
	if base, arg, generic := strings.Cut(name, "["); generic {
		arg = strings.TrimSuffix(arg, "]")
		return arg[strings.LastIndex(arg, ".")+1:] + base
	}
	return name
}

// SchemaID returns the $id of a published schema.
func SchemaID(name string) string { return fmt.Sprintf("urn:hodei:v1:%s", name) }

// List is one page of records, newest first.
type List[T any] struct {
	Items []T `json:"items"`
	// NextCursor continues the list; null on the last page.
	NextCursor *string `json:"next_cursor"`
}

// Page requests one page of a list.
type Page struct {
	// Limit is the number of records; 50 if left out.
	Limit int `json:"limit,omitempty" in:"query" jsonschema:"minimum=1,maximum=1000"`
	// Cursor is the next_cursor of the previous page.
	Cursor string `json:"cursor,omitempty" in:"query" jsonschema:"maxLength=200"`
}

// DefaultLimit is the length of a page without a limit.
const DefaultLimit = 50

// Size returns the number of records requested.
func (p Page) Size() int {
	if p.Limit == 0 {
		return DefaultLimit
	}
	return p.Limit
}

// Patch is a field of a PATCH body. Left out, it changes nothing; null clears a
// value that may be null.
type Patch[T any] struct {
	Set   bool
	Value *T // nil for null
}

// IsZero reports whether the field was left out.
func (p Patch[T]) IsZero() bool { return !p.Set }

// Or returns the new value of a field that cannot be null, or the old one.
func (p Patch[T]) Or(old T) T {
	if p.Set && p.Value != nil {
		return *p.Value
	}
	return old
}

// OrNull returns the new value of a field that may be null, or the old one.
func (p Patch[T]) OrNull(old *T) *T {
	if p.Set {
		return p.Value
	}
	return old
}

// MarshalJSON writes the value, or null.
func (p Patch[T]) MarshalJSON() ([]byte, error) { return hodei.JSON(p.Value) }

// UnmarshalJSON reads the value, or null.
func (p *Patch[T]) UnmarshalJSON(data []byte) error {
	p.Set = true
	return json.Unmarshal(data, &p.Value)
}

// Empty is a request or reply without fields.
type Empty struct{}
