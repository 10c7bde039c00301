// Package notify sends messages about runs: signed webhooks, messages to Slack, e-mail, and
// statuses of commits.
//
// # Owns
//
// The form of each message, the signature of a webhook, and the addresses that a request may
// have.
//
// # When things fail
//
// Send returns an error for users, without secrets and without the body of an answer. After
// ErrFinal a further attempt cannot succeed.
//
// # Not here
//
// The times of attempts are in services/workermanager, the records of notifications in postgres.
package notify
