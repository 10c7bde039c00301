package permit

import (
	"fmt"
	"strings"

	"github.com/hodei-jobs/hodei"
)

// User is a user of NATS and its permissions.
type User struct {
	Name string
	// NKey is the public key of the user; without one, the user has a password.
	NKey string
	// Password is written into the configuration, instead of a variable.
	Password string
	Permissions
	// Unrestricted users may do everything in their account. A process that contains all
	// programs needs it.
	Unrestricted bool
}

// ProgramUser returns the user of all instances of a service or of the edge.
func ProgramUser(name string) User { return User{Name: name, Permissions: Program(name)} }

// WorkerUser returns the user of one worker.
func WorkerUser(id hodei.WorkerID) User {
	return User{Name: id.String(), Permissions: Worker(id)}
}

// variable returns the name of the variable with the password of the user.
func (u User) variable() string {
	return "NATS_" + strings.ToUpper(strings.ReplaceAll(u.Name, "-", "_"))
}

// login returns the fields with which NATS identifies the user.
func (u User) login() string {
	if u.NKey != "" {
		return u.NKey
	}
	return u.Name
}

// Conf returns the users as a block of nats.conf. A user without a key or a password has the
// password in the variable $NATS_<NAME> of the environment of nats-server.
func Conf(users []User) string {
	var b strings.Builder
	b.WriteString("authorization {\n")
	writeUsers(&b, "  ", users)
	b.WriteString("}\n")
	return b.String()
}

func writeUsers(b *strings.Builder, indent string, users []User) {
	fmt.Fprintf(b, "%susers: [\n", indent)
	for _, u := range users {
		u.write(b, indent+"  ")
	}
	fmt.Fprintf(b, "%s]\n", indent)
}

func (u User) write(b *strings.Builder, indent string) {
	who := fmt.Sprintf("user: %q, password: $%s", u.Name, u.variable())
	switch {
	case u.NKey != "":
		fmt.Fprintf(b, "%s# %s\n", indent, u.Name)
		who = fmt.Sprintf("nkey: %q", u.NKey)
	case u.Password != "":
		who = fmt.Sprintf("user: %q, password: %q", u.Name, u.Password)
	}
	if u.Unrestricted {
		fmt.Fprintf(b, "%s{ %s }\n", indent, who)
		return
	}
	fmt.Fprintf(b, "%s{ %s, permissions {\n", indent, who)
	list(b, indent+"  ", "publish", u.Publish)
	list(b, indent+"  ", "subscribe", u.Subscribe)
	if u.Responses > 0 {
		fmt.Fprintf(b, "%s  allow_responses { max: 1, expires: %q }\n", indent, u.Responses)
	}
	fmt.Fprintf(b, "%s} }\n", indent)
}

func list(b *strings.Builder, indent, verb string, subjects []string) {
	fmt.Fprintf(b, "%s%s: [\n", indent, verb)
	for _, s := range subjects {
		fmt.Fprintf(b, "%s  %q\n", indent, s)
	}
	fmt.Fprintf(b, "%s]\n", indent)
}
