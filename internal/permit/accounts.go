package permit

import (
	"fmt"
	"strings"

	"github.com/hodei-jobs/hodei/schemas"
)

// Accounts are the accounts of a NATS with access control. Programs and workers are in one
// account, with JetStream. People are in another, which imports the subjects that they may use.
// NATS asks the access service about every connection that is not one of the Users.
type Accounts struct {
	// Users are the programs.
	Users []User
	// Issuer is the public key of the signatures of the access service. XKey is the public key
	// with which NATS encrypts its requests, which contain tokens.
	Issuer, XKey string
}

// Conf returns the accounts as a part of nats.conf.
func (a Accounts) Conf() string {
	var b strings.Builder
	fmt.Fprintf(&b, "accounts {\n  %s {\n    jetstream: enabled\n", schemas.ProgramsAccount)
	writeUsers(&b, "    ", a.Users)
	fmt.Fprintf(&b, "    exports: [\n      { service: %q, accounts: [%s] }\n", schemas.PeoplePrefix+schemas.Root+">", schemas.PeopleAccount)
	fmt.Fprintf(&b, "      { service: %q, response_type: stream, accounts: [%s] }\n", schemas.ServiceSubjects, schemas.PeopleAccount)
	for _, feed := range feeds {
		fmt.Fprintf(&b, "      { stream: %q, accounts: [%s] }\n", feed, schemas.PeopleAccount)
	}
	b.WriteString("    ]\n    imports: [\n")
	for _, subject := range []string{schemas.ConnectionsSubject, schemas.DisconnectSubjects} {
		fmt.Fprintf(&b, "      { service: { account: %s, subject: %q } }\n", schemas.SystemAccount, subject)
	}
	fmt.Fprintf(&b, "    ]\n  }\n  %s {\n    imports: [\n", schemas.PeopleAccount)
	// share makes NATS add the name of the user to each request.
	fmt.Fprintf(&b, "      { service: { account: %s, subject: %q }, to: %q, share: true }\n",
		schemas.ProgramsAccount, schemas.PeoplePrefix+schemas.Root+">", schemas.Root+">")
	fmt.Fprintf(&b, "      { service: { account: %s, subject: %q } }\n", schemas.ProgramsAccount, schemas.ServiceSubjects)
	for _, feed := range feeds {
		fmt.Fprintf(&b, "      { stream: { account: %s, subject: %q } }\n", schemas.ProgramsAccount, feed)
	}
	fmt.Fprintf(&b, "    ]\n  }\n  %s {\n    exports: [\n", schemas.SystemAccount)
	fmt.Fprintf(&b, "      { service: %q, response_type: stream, accounts: [%s] }\n", schemas.ConnectionsSubject, schemas.ProgramsAccount)
	fmt.Fprintf(&b, "      { service: %q, accounts: [%s] }\n    ]\n  }\n}\n", schemas.DisconnectSubjects, schemas.ProgramsAccount)
	fmt.Fprintf(&b, "system_account: %s\n", schemas.SystemAccount)
	fmt.Fprintf(&b, "authorization {\n  timeout: 5\n  auth_callout {\n    issuer: %q\n    xkey: %q\n    account: %s\n    auth_users: [\n",
		a.Issuer, a.XKey, schemas.ProgramsAccount)
	for _, u := range a.Users {
		fmt.Fprintf(&b, "      %q # %s\n", u.login(), u.Name)
	}
	b.WriteString("    ]\n  }\n}\n")
	return b.String()
}
