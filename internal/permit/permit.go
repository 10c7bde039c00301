package permit

import (
	"slices"
	"strings"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

// Permissions are the subjects that one user of NATS may use. Everything else is denied.
type Permissions struct {
	Publish, Subscribe []string
	// Responses is the time in which the user may send one reply to a request, on the subject
	// that the request names; 0 means that it may not.
	Responses time.Duration
}

// Programs are the programs with permissions: the services and the edge.
var Programs = append(slices.Clone(schemas.Services), schemas.Edge)

// respondWithin exceeds the longest time that a request may take.
const respondWithin = 3 * time.Minute

// Program returns the permissions of all instances of a service or of the edge.
func Program(name string) Permissions {
	var p Permissions
	p.Subscribe = append(p.Subscribe, inbox(name)...)
	p.Subscribe = append(p.Subscribe, monitored(name)...)
	for _, op := range schemas.Operations {
		if op.Service == name && op.Subject != "" {
			p.Subscribe = append(p.Subscribe, op.Filter())
			if op.ForPeople() {
				p.Subscribe = append(p.Subscribe, op.PeopleSubject())
			}
		}
		if op.Asks(name) {
			p.Publish = append(p.Publish, asked(op))
		}
	}
	p.channels(name, "*")
	p.Publish = append(p.Publish, streams[name].publish()...)
	p.Subscribe = append(p.Subscribe, streams[name].subscribe()...)
	if name == schemas.Edge { // it answers only `nats service ls`
		p.Responses = respondWithin
	} else {
		p.Publish = append(p.Publish, schemas.InboxPrefix(">"), schemas.ImportedReplies)
	}
	if name == schemas.Access {
		p.Subscribe = append(p.Subscribe, schemas.CalloutSubject)
		p.Publish = append(p.Publish, schemas.CalloutReplies, schemas.ConnectionsSubject, schemas.DisconnectSubjects)
	}
	return p.sorted()
}

// Worker returns the permissions of one worker.
func Worker(id hodei.WorkerID) Permissions {
	p := Permissions{Responses: respondWithin}
	p.Subscribe = append(p.Subscribe, inbox(schemas.Worker+"."+id.String())...)
	p.Subscribe = append(p.Subscribe, monitored(schemas.Worker)...)
	for _, op := range schemas.Operations {
		switch {
		case op.PerWorker:
			p.Subscribe = append(p.Subscribe, op.SubjectFor(id))
		case op.ByWorker:
			p.Publish = append(p.Publish, op.SubjectFor(id))
		}
	}
	p.channels(schemas.Worker, id.String())
	p.Publish = append(p.Publish, api("STREAM.INFO", schemas.WorkersStream), "$KV."+schemas.WorkersBucket+"."+id.String())
	return p.sorted()
}

// Person returns the permissions of a person in the account of people. inbox is the prefix of
// the replies. The permissions do not depend on the role: the service that answers checks the
// role, as it does for HTTP, and its error names the required role.
//
// The subjects of feeds contain no pipeline, so a caller that is limited to pipelines may not
// subscribe to feeds. No person may use JetStream: a user who creates a consumer chooses the
// subject on which NATS publishes the messages of the stream, such as the output of commands,
// and NATS does not check the permissions of the user for that subject.
func Person(c hodei.Caller, inbox string) Permissions {
	p := Permissions{Publish: []string{schemas.Root + ">"}, Subscribe: []string{inbox + ".>"}}
	if len(c.Pipelines) == 0 {
		p.Publish = append(p.Publish, schemas.ServiceSubjects)
		p.Subscribe = append(p.Subscribe, feeds...)
	}
	return p.sorted()
}

// feeds are the subjects that people may subscribe to.
var feeds = []string{schemas.LogSubjects, schemas.EventSubjects, schemas.RunEventSubjects}

// channels adds the channels of a program; worker stands for the id in those of workers.
func (p *Permissions) channels(program, worker string) {
	for _, c := range schemas.Channels {
		subject := c.Subject
		if program == schemas.Worker {
			subject = strings.Replace(subject, "*", worker, 1)
		}
		if slices.Contains(c.From, program) {
			p.Publish = append(p.Publish, subject)
		}
		if slices.Contains(c.To, program) {
			if c.Group != "" {
				subject += " " + c.Group
			}
			p.Subscribe = append(p.Subscribe, subject)
		}
	}
}

// Publishes reports whether the permissions include publishing to the subject.
func (p Permissions) Publishes(subject string) bool {
	return slices.ContainsFunc(p.Publish, func(filter string) bool { return matches(filter, subject) })
}

// matches reports whether the filter, which may have the wildcards * and >, matches the subject.
func matches(filter, subject string) bool {
	want, have := strings.Split(filter, "."), strings.Split(subject, ".")
	for i, token := range want {
		if token == ">" {
			return i < len(have)
		}
		if i == len(have) || token != "*" && token != have[i] {
			return false
		}
	}
	return len(want) == len(have)
}

func (p Permissions) sorted() Permissions {
	for _, list := range []*[]string{&p.Publish, &p.Subscribe} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	return p
}

// asked returns the subject of requests for an operation; for an operation of workers, with a
// wildcard for the id.
func asked(op *schemas.Op) string {
	if op.PerWorker {
		return op.Subject + ".*"
	}
	return op.Subject
}

func inbox(user string) []string { return []string{schemas.InboxPrefix(user) + ".>"} }

// monitored are the subjects of `nats service`: for all services, for those with the name,
// and for each instance.
func monitored(name string) []string {
	return []string{"$SRV.*", "$SRV.*." + name, "$SRV.*." + name + ".*"}
}
