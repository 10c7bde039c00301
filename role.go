package hodei

import (
	"fmt"
	"slices"
)

// Role is what a caller may do. Each of the four roles of people includes those before it.
// The operations that Hodei's own programs call have a role of their own, which includes
// nothing and which no token can have.
type Role string

const (
	// Viewer reads.
	Viewer Role = "viewer"
	// Developer also executes, cancels, retries and reruns.
	Developer Role = "developer"
	// Operator also manages pipelines, jobs and workers, and decides about approvals.
	Operator Role = "operator"
	// Admin also manages tokens and reads the audit log.
	Admin Role = "admin"

	// RoleService is that of a service, RoleWorker that of a worker, which calls for
	// itself alone.
	RoleService Role = "service"
	RoleWorker  Role = "worker"
)

// Roles are the roles of people, each includes those before it.
var Roles = []Role{Viewer, Developer, Operator, Admin}

// Includes reports whether a caller with this role may do what needs the other one.
func (r Role) Includes(needed Role) bool {
	has, needs := slices.Index(Roles, r), slices.Index(Roles, needed)
	if has < 0 || needs < 0 {
		return r == needed && r != ""
	}
	return has >= needs
}

// ParseRole returns the role of people with this name.
func ParseRole(name string) (Role, error) {
	if r := Role(name); slices.Contains(Roles, r) {
		return r, nil
	}
	return "", fmt.Errorf("role %q: viewer, developer, operator or admin required", name)
}
