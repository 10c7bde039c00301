package permit

import "github.com/hodei-jobs/hodei/schemas"

// use is how a program uses JetStream.
type use struct {
	reads []source // streams that it reads through consumers
	leads string   // key of its lease; "" for none
	keeps bool     // whether it creates and repairs the streams
}

// source is a stream, and the filter in the subject of the request that creates a consumer;
// "" where the consumer has no filter.
type source struct{ stream, filter string }

var workers = source{schemas.WorkersStream, schemas.WorkersSubjects}

// streams lists the programs that use JetStream.
var streams = map[string]use{
	schemas.Scheduler:     {reads: []source{workers}, leads: schemas.SchedulerLease},
	schemas.WorkerManager: {reads: []source{workers}, keeps: true},
	schemas.Edge:          {reads: []source{workers, {schemas.LogStream, schemas.LogSubjects}, {schemas.EventStream, ""}}},
}

func (u use) publish() (subjects []string) {
	for _, s := range u.reads {
		subjects = append(subjects, s.publish()...)
	}
	if u.leads != "" {
		key := schemas.LeaderSubject(u.leads)
		subjects = append(subjects, key, api("STREAM.INFO", schemas.LeadersStream), api("DIRECT.GET", schemas.LeadersStream, key))
	}
	if u.keeps {
		subjects = append(subjects, api("INFO"), schemas.ProbeSubject)
		for _, name := range append([]string{schemas.ProbeStream}, schemas.Streams...) {
			for _, verb := range []string{"CREATE", "UPDATE", "DELETE", "INFO", "PURGE"} {
				subjects = append(subjects, api("STREAM."+verb, name))
			}
		}
	}
	return subjects
}

func (u use) subscribe() []string {
	if u.leads == "" {
		return nil
	}
	return []string{schemas.LeaderSubject(u.leads)}
}

// publish returns the subjects of a reader's requests; * is the random name of its consumer.
func (s source) publish() []string {
	create := []string{"CONSUMER.CREATE", s.stream, "*"}
	if s.filter != "" {
		create = append(create, s.filter)
	}
	return []string{
		api("STREAM.INFO", s.stream), api(create...),
		api("CONSUMER.MSG.NEXT", s.stream, "*"), api("CONSUMER.DELETE", s.stream, "*"),
	}
}

// api returns the subject of a request to JetStream.
func api(tokens ...string) string {
	subject := "$JS.API"
	for _, token := range tokens {
		subject += "." + token
	}
	return subject
}
