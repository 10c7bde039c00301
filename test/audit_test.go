package test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei"
)

// audited returns the records of the audit log that a query selects, newest first.
func (s guarded) audited(query string) (records []object) {
	s.t.Helper()
	status, list := s.as(s.admin, "GET", "/audit?limit=1000&"+query, "")
	require.Equal(s.t, 200, status, list)
	for _, item := range list["items"].([]any) {
		records = append(records, item.(object))
	}
	return records
}

// TestAudit makes changes as callers of several roles, and finds each in the log once, with
// who made it and what became of it; refusals too. Executions and runs show their callers.
func TestAudit(t *testing.T) {
	t.Parallel()
	s := upWithAuth(t)
	_, operator := s.token(hodei.Operator, "")
	developerID, developer := s.token(hodei.Developer, "")
	_, viewer := s.token(hodei.Viewer, "")
	made := func(token, method, path, body string, wanted ...int) object {
		t.Helper()
		status, got := s.as(token, method, path, body)
		require.Contains(t, wanted, status, "%s %s: %v", method, path, got)
		return got
	}
	pipeline := made(operator, "POST", "/pipelines", `{"name":"shop","slug":"shop"}`, 201)["id"].(string)
	made(operator, "PATCH", "/pipelines/"+pipeline, `{"name":"web shop"}`, 200)
	job := made(operator, "POST", "/jobs", fmt.Sprintf(`{"pipeline_id":%q,"name":"build","command":"true"}`, pipeline), 201)["id"].(string)
	placed := made(developer, "POST", "/jobs/"+job+"/execute", "", 200, 202)["execution_id"].(string)
	queued := made(developer, "POST", "/execute", `{"command":"true","type":"nosuch"}`, 201)["id"].(string)
	made(operator, "POST", "/executions/"+queued+"/cancel", "", 202)
	run := made(developer, "POST", "/pipelines/shop/execute", "", 201)["id"].(string)
	require.Eventually(t, func() bool {
		return made(developer, "GET", "/runs/"+run, "", 200)["status"] == "COMPLETED"
	}, 30*time.Second, 10*time.Millisecond)
	rerun := made(operator, "POST", "/runs/"+run+"/rerun", `{"jobs":"all"}`, 201)["id"].(string)
	worker := made(viewer, "GET", "/workers", "", 200)["items"].([]any)[0].(object)["id"].(string)
	made(operator, "POST", "/workers/"+worker+"/cordon", "", 202)
	made(viewer, "POST", "/executions/"+queued+"/retry", "", 403)
	made(viewer, "GET", "/tokens", "", 403)
	made(operator, "POST", "/executions/"+queued+"/cancel", "", 409)
	made(operator, "POST", "/pipelines", `{"nmae":"typo"}`, 400)
	made("", "GET", "/pipelines", "", 401)
	s.signIn(operator)

	find := func(operation, resource, name, outcome string) {
		t.Helper()
		found := s.audited("operation=" + operation)
		var match []object
		for _, r := range found {
			if r["outcome"] == outcome && r["name"] == name && (resource == "" || r["resource_id"] == resource) {
				match = append(match, r)
			}
		}
		require.Len(t, match, 1, "%s of %s by %s: %s in %v", operation, resource, name, outcome, found)
		require.Equal(t, "127.0.0.1", match[0]["address"])
		require.True(t, strings.HasPrefix(match[0]["request_id"].(string), "req_"))
		require.NotNil(t, match[0]["token_id"])
	}
	find("pipelines.create", pipeline, "operator", "OK")
	find("pipelines.update", pipeline, "operator", "OK")
	find("jobs.create", job, "operator", "OK")
	find("jobs.execute", placed, "developer", "OK")
	find("execute", queued, "developer", "OK")
	find("executions.cancel", queued, "operator", "OK")
	find("executions.cancel", queued, "operator", "CONFLICT")
	find("pipelines.execute", run, "developer", "OK")
	find("runs.rerun", rerun, "operator", "OK")
	find("workers.cordon", worker, "operator", "OK")
	find("executions.retry", queued, "viewer", "FORBIDDEN")
	find("tokens.list", "", "viewer", "FORBIDDEN")
	find("pipelines.create", "", "operator", "VALIDATION_ERROR")
	find("sessions.create", "", "operator", "OK")
	require.Len(t, s.audited("operation=tokens.create"), 3)
	require.Empty(t, s.audited("operation=pipelines.list,runs.get,workers.list"), "what only reads is not recorded")
	require.Len(t, s.audited("token_id="+developerID), 3)
	require.Len(t, s.audited("resource_id="+queued+"&outcome=OK"), 2)
	require.Empty(t, s.audited("created_before=2020-01-01T00:00:00Z"))
	status, _ := s.as(operator, "GET", "/audit", "")
	require.Equal(t, 403, status)

	e := made(viewer, "GET", "/executions/"+queued, "", 200)
	require.Equal(t, "developer", e["started_by"])
	require.Equal(t, "operator", e["cancelled_by"])
	e = made(viewer, "GET", "/executions/"+placed, "", 200)
	require.Equal(t, "developer", e["started_by"])
	require.Nil(t, e["cancelled_by"])
	require.Equal(t, "developer", made(viewer, "GET", "/runs/"+run, "", 200)["trigger"].(object)["by"])
	require.Equal(t, "operator", made(viewer, "GET", "/runs/"+rerun, "", 200)["trigger"].(object)["by"])
}

// TestFailedSignInsAreAudited: guessed tokens leave a trace with the address.
func TestFailedSignInsAreAudited(t *testing.T) {
	t.Parallel()
	s := upWithAuth(t, "--workers", "0")
	id, revoked := s.token(hodei.Admin, "")
	status, _ := s.as(s.admin, "DELETE", "/tokens/"+id, "")
	require.Equal(t, 204, status)
	status, _ = s.as(revoked, "GET", "/whoami", "")
	require.Equal(t, 401, status)
	status, _ = s.as("", "POST", "/session", `{"token":"`+revoked+`"}`)
	require.Equal(t, 401, status)
	records := s.audited("outcome=UNAUTHENTICATED")
	require.Len(t, records, 2)
	for _, r := range records {
		require.Equal(t, "unknown", r["kind"])
		require.Equal(t, "127.0.0.1", r["address"])
		require.Nil(t, r["token_id"])
	}
	require.NotContains(t, fmt.Sprint(records), revoked[8:])
}
