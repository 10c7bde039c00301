package session

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/internal/cli/render"
	"github.com/hodei-jobs/hodei/schemas"
)

func (s *Session) Pipeline(ctx context.Context, text string) (hodei.PipelineID, error) {
	if hodei.IsSlug(text) {
		p, err := s.GetPipeline(ctx, schemas.GetPipelineRequest{ID: hodei.PipelineRef(text)})
		if !errors.Is(err, hodei.NotFound) {
			return p.ID, err
		}
	}
	return resolve(text, func(page schemas.Page) (schemas.List[hodei.Pipeline], error) {
		return s.ListPipelines(ctx, schemas.ListPipelinesRequest{Page: page})
	}, func(p hodei.Pipeline) (hodei.PipelineID, *string) { return p.ID, &p.Name })
}

// PipelineRef is Pipeline for the requests that accept a slug as well.
func (s *Session) PipelineRef(ctx context.Context, text string) (hodei.PipelineRef, error) {
	id, err := s.Pipeline(ctx, text)
	return hodei.RefTo(id), err
}

// Job is the job that a person names: by its name, its key, shop/build, or a part of its id.
func (s *Session) Job(ctx context.Context, text string) (hodei.JobID, error) {
	if pipeline, key, both := strings.Cut(text, "/"); both {
		ref, err := s.PipelineRef(ctx, pipeline)
		if err == nil {
			return nameOrKey(key, s.jobsOf(ctx, schemas.Any(ref)))
		} else if !errors.Is(err, hodei.NotFound) {
			return hodei.JobID{}, err
		}
	}
	return nameOrKey(text, s.jobsOf(ctx, nil))
}

// NamedJob is Job without keys, of which any pipeline may have the same.
func (s *Session) NamedJob(ctx context.Context, text string) (hodei.JobID, error) {
	return resolve(text, s.jobsOf(ctx, nil), func(j hodei.Job) (hodei.JobID, *string) { return j.ID, j.Name })
}

func (s *Session) jobsOf(ctx context.Context, pipelines schemas.OneOf[hodei.PipelineRef]) func(schemas.Page) (schemas.List[hodei.Job], error) {
	return func(page schemas.Page) (schemas.List[hodei.Job], error) {
		return s.ListJobs(ctx, schemas.ListJobsRequest{PipelineID: pipelines, Page: page})
	}
}

// nameOrKey finds a job by its name or its key. The only job of a name counts more than those with the key.
func nameOrKey(text string, list func(schemas.Page) (schemas.List[hodei.Job], error)) (hodei.JobID, error) {
	var named []hodei.JobID
	id, err := resolve(text, list, func(j hodei.Job) (hodei.JobID, *string) {
		if j.Name != nil && *j.Name == text {
			named = append(named, j.ID)
		} else if j.Key == text {
			return j.ID, &j.Key
		}
		return j.ID, j.Name
	})
	if errors.As(err, new(cmdline.UsageError)) && len(named) == 1 {
		return named[0], nil
	}
	return id, err
}

// Execution is the execution that a person names: release#42/test, or a part of its id:
// the beginning or the end.
func (s *Session) Execution(ctx context.Context, text string) (hodei.ExecutionRef, error) {
	if name, key, inRun := strings.Cut(text, "/"); inRun {
		run, err := s.Run(ctx, name)
		return hodei.ExecutionRef(string(run) + "/" + key), err
	}
	id, err := resolve(text, func(page schemas.Page) (schemas.List[hodei.Execution], error) {
		return s.ListExecutions(ctx, schemas.ListExecutionsRequest{Page: page})
	}, func(e hodei.Execution) (hodei.ExecutionID, *string) { return e.ID, nil })
	return hodei.RefTo(id), err
}

// Run is the run that a person names: release#42, where a name that is no slug may stand for
// the pipeline, or a part of its id.
func (s *Session) Run(ctx context.Context, text string) (hodei.RunRef, error) {
	if pipeline, number, named := strings.Cut(text, "#"); named {
		run := hodei.RunRef(text)
		if !hodei.IsSlug(pipeline) {
			ref, err := s.PipelineRef(ctx, pipeline)
			if err != nil {
				return "", err
			}
			run = hodei.RunRef(string(ref) + "#" + number)
		}
		if _, _, ok := hodei.Numbered(run); !ok {
			return "", cmdline.Usagef("%q is no number of a run; a run is named as release#42", number)
		}
		return run, nil
	}
	id, err := resolve(text, func(page schemas.Page) (schemas.List[hodei.Run], error) {
		return s.ListRuns(ctx, schemas.ListRunsRequest{Page: page})
	}, func(r hodei.Run) (hodei.RunID, *string) { return r.ID, nil })
	return hodei.RefTo(id), err
}

func (s *Session) Worker(ctx context.Context, text string) (hodei.WorkerID, error) {
	return resolve(text, func(page schemas.Page) (schemas.List[hodei.Worker], error) {
		return s.ListWorkers(ctx, schemas.ListWorkersRequest{Page: page})
	}, func(w hodei.Worker) (hodei.WorkerID, *string) { return w.ID, w.Name })
}

// ScheduleID is the schedule that a person means: by its name, the slug of its pipeline,
// or a part of its id.
func (s *Session) ScheduleID(ctx context.Context, text string) (hodei.ScheduleID, error) {
	return resolve(text, func(page schemas.Page) (schemas.List[hodei.Schedule], error) {
		return s.ListSchedules(ctx, schemas.ListSchedulesRequest{Page: page})
	}, func(one hodei.Schedule) (hodei.ScheduleID, *string) {
		if one.Name == "" {
			return one.ID, one.Pipeline
		}
		return one.ID, &one.Name
	})
}

// HookID returns the hook with the id, a part of it, the only hook of a pipeline, or, as
// shop/github, the only one of a kind.
func (s *Session) HookID(ctx context.Context, text string) (hodei.HookID, error) {
	var kinds []string // of the hooks that the text names
	id, err := resolve(text, func(page schemas.Page) (schemas.List[hodei.Hook], error) {
		return s.ListHooks(ctx, schemas.ListHooksRequest{Page: page})
	}, func(h hodei.Hook) (hodei.HookID, *string) {
		switch {
		case h.Pipeline == nil:
			return h.ID, nil
		case *h.Pipeline == text:
			kinds = append(kinds, text+"/"+h.Kind)
		case strings.Contains(text, "/"):
			return h.ID, new(*h.Pipeline + "/" + h.Kind)
		}
		return h.ID, h.Pipeline
	})
	if errors.As(err, new(cmdline.UsageError)) && len(kinds) > 0 {
		err = cmdline.Usagef("%q has several hooks: %s", text, strings.Join(kinds, ", "))
	}
	return id, err
}

// DeliveryID returns the delivery of a hook with the id, or with a part of it.
func (s *Session) DeliveryID(ctx context.Context, hook hodei.HookID, text string) (hodei.DeliveryID, error) {
	return resolve(text, func(page schemas.Page) (schemas.List[hodei.Delivery], error) {
		return s.ListDeliveries(ctx, schemas.ListDeliveriesRequest{ID: hook, Page: page})
	}, func(d hodei.Delivery) (hodei.DeliveryID, *string) { return d.ID, nil })
}

// Notification returns the notification with the id, or with a part of it.
func (s *Session) Notification(ctx context.Context, text string) (hodei.NotificationID, error) {
	return resolve(text, func(page schemas.Page) (schemas.List[hodei.Notification], error) {
		return s.ListNotifications(ctx, schemas.ListNotificationsRequest{Page: page})
	}, func(n hodei.Notification) (hodei.NotificationID, *string) { return n.ID, nil })
}

// WorkerKey returns the worker that has joined with the id, with a part of it, or with the name.
func (s *Session) WorkerKey(ctx context.Context, text string) (hodei.WorkerID, error) {
	return resolve(text, func(page schemas.Page) (schemas.List[hodei.WorkerKey], error) {
		return s.ListWorkerKeys(ctx, schemas.ListWorkerKeysRequest{Page: page})
	}, func(k hodei.WorkerKey) (hodei.WorkerID, *string) { return k.WorkerID, &k.Name })
}

// Token is the token that a person names: its name, or a part of its id.
func (s *Session) Token(ctx context.Context, text string) (hodei.TokenID, error) {
	return resolve(text, func(page schemas.Page) (schemas.List[hodei.Token], error) {
		return s.ListTokens(ctx, schemas.ListTokensRequest{Page: page})
	}, func(t hodei.Token) (hodei.TokenID, *string) { return t.ID, &t.Name })
}

// Artifact returns the artifact of a run with the id, with a part of it, or with the name.
func (s *Session) Artifact(ctx context.Context, run hodei.RunRef, text string) (hodei.ArtifactID, error) {
	return resolve(text, func(page schemas.Page) (schemas.List[hodei.Artifact], error) {
		return s.ListArtifacts(ctx, schemas.ListArtifactsRequest{ID: run, Page: page})
	}, func(a hodei.Artifact) (hodei.ArtifactID, *string) { return a.ID, &a.Name })
}

// Cache returns the cache of a pipeline with the id, with a part of it, or with the key.
func (s *Session) Cache(ctx context.Context, pipeline hodei.PipelineRef, text string) (hodei.CacheID, error) {
	return resolve(text, func(page schemas.Page) (schemas.List[hodei.Cache], error) {
		return s.ListCaches(ctx, schemas.ListCachesRequest{ID: pipeline, Page: page})
	}, func(c hodei.Cache) (hodei.CacheID, *string) { return c.ID, &c.Key })
}

// Optional resolves the value of a filter: nil for one that was not given.
func Optional[T any](ctx context.Context, text string, find func(context.Context, string) (T, error)) (*T, error) {
	if text == "" {
		return nil, nil
	}
	id, err := find(ctx, text)
	return &id, err
}

// Several resolves the values of a filter, separated by commas: nil for one that was
// not given.
func Several[T any](ctx context.Context, text string, find func(context.Context, string) (T, error)) (schemas.OneOf[T], error) {
	if text == "" {
		return nil, nil
	}
	var found schemas.OneOf[T]
	for one := range strings.SplitSeq(text, ",") {
		id, err := find(ctx, strings.TrimSpace(one))
		if err != nil {
			return nil, err
		}
		found = append(found, id)
	}
	return found, nil
}

// match is a record that the text may mean.
type match[K hodei.Kind] struct {
	id   hodei.ID[K]
	name *string
}

func (m match[K]) String() string {
	if m.name == nil {
		return m.id.String()
	}
	return fmt.Sprintf("%s (%s)", m.id, render.OneLine(fmt.Errorf("%s", *m.name)))
}

// matches are the records that a text may mean: by their name, by the beginning of their id or by its end.
type matches[K hodei.Kind] struct {
	text                string
	named, begun, ended []match[K]
}

func (m *matches[K]) add(one match[K]) {
	switch {
	case one.name != nil && *one.name == m.text:
		m.named = append(m.named, one)
	case begins(one.id, m.text):
		m.begun = append(m.begun, one)
	case ends(one.id, m.text):
		m.ended = append(m.ended, one)
	}
}

// best returns the likeliest matches. A name counts more than a beginning, for every id of these years begins with
// 01, and a beginning more than an end.
func (m *matches[K]) best() []match[K] {
	switch {
	case len(m.named) > 0:
		return m.named
	case len(m.begun) > 0:
		return m.begun
	}
	return m.ended
}

const (
	// newest is how many executions or runs are searched for the end of an id. The beginning of an id contains its age.
	newest = 10_000
	// leastEnd is the number of digits that the end of an id must have at least; tables and the console show
	// shownEnd, which are as good as unique.
	leastEnd, shownEnd = 4, 8
)

// resolve finds the record that a person means: by its id, with the prefix of its kind or without; by its name (a
// pipeline also by its slug, see Pipeline); or by the beginning or the end of its id.
func resolve[T any, K hodei.Kind](text string, list func(schemas.Page) (schemas.List[T], error),
	read func(T) (hodei.ID[K], *string)) (hodei.ID[K], error) {
	id, err := hodei.ParseID[K](text)
	if err == nil {
		return id, nil // the operation itself reports a missing one
	}
	found := matches[K]{text: text}
	searched := 0
	for page := (schemas.Page{Limit: 1000}); ; {
		l, err := list(page)
		if err != nil {
			return id, err
		}
		for _, item := range l.Items {
			var one match[K]
			one.id, one.name = read(item)
			found.add(one)
		}
		searched += len(l.Items)
		if l.NextCursor == nil {
			return single(id.Noun(), text, found.best())
		}
		if nameless(id) && past(l.Items, read, text) {
			if len(found.begun) > 0 || !mayEnd(text) || len(text) >= shownEnd && len(found.ended) > 0 {
				return single(id.Noun(), text, found.best())
			}
			if searched >= newest {
				return recent(id.Noun(), text, found.best())
			}
		}
		page.Cursor = *l.NextCursor
	}
}

// nameless reports whether records of the kind are found by their id alone.
func nameless[K hodei.Kind](id hodei.ID[K]) bool {
	return id.Noun() == hodei.ExecutionID{}.Noun() || id.Noun() == hodei.RunID{}.Noun()
}

// past reports whether no record after these can have an id that begins with
// the text: lists go from the newest id to the oldest.
func past[T any, K hodei.Kind](items []T, read func(T) (hodei.ID[K], *string), text string) bool {
	if len(items) == 0 {
		return false
	}
	last, _ := read(items[len(items)-1])
	digits := strings.TrimPrefix(strings.ToLower(text), last.Prefix()+"_")
	return strings.TrimPrefix(last.String(), last.Prefix()+"_") < digits
}

func begins[K hodei.Kind](id hodei.ID[K], text string) bool {
	digits := strings.TrimPrefix(strings.ToLower(text), id.Prefix()+"_")
	return digits != "" && strings.HasPrefix(strings.TrimPrefix(id.String(), id.Prefix()+"_"), digits)
}

// digitsOfID matches what the part of an id after its prefix consists of.
var digitsOfID = regexp.MustCompile("^[0-9a-fA-F-]+$")

// mayEnd reports whether the text can be the end of an id.
func mayEnd(text string) bool { return len(text) >= leastEnd && digitsOfID.MatchString(text) }

func ends[K hodei.Kind](id hodei.ID[K], text string) bool {
	return mayEnd(text) && strings.HasSuffix(id.String(), strings.ToLower(text))
}

// fewest is how many candidates are named where the text fits several.
const fewest = 5

// recent is single after a search of the newest records alone.
func recent[K hodei.Kind](noun, text string, found []match[K]) (hodei.ID[K], error) {
	if len(found) == 0 {
		return hodei.ID[K]{}, hodei.Errorf(hodei.NotFound, "%s %q not found among the newest 10,000; give the whole id or its beginning", noun, text)
	}
	return single(noun, text, found)
}

func single[K hodei.Kind](noun, text string, found []match[K]) (hodei.ID[K], error) {
	switch len(found) {
	case 0:
		return hodei.ID[K]{}, hodei.Errorf(hodei.NotFound, "%s %q not found", noun, text)
	case 1:
		return found[0].id, nil
	}
	var names []string
	for _, m := range found[:min(len(found), fewest)] {
		names = append(names, m.String())
	}
	if more := len(found) - fewest; more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	return hodei.ID[K]{}, cmdline.Usagef("%q is ambiguous: %s", text, strings.Join(names, ", "))
}
