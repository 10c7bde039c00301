// Package notify sends messages about runs: signed webhooks, messages to Slack, e-mail.
//
// # Owns
//
// The form of each message, the signature of a webhook, and which addresses a request may
// go to.
//
// # When things fail
//
// Send returns an error that is for users: it never repeats a secret, and not the body of an
// answer. An error that is ErrFinal cannot succeed later.
//
// # Not here
//
// When a message is sent, and again: services/workermanager. What is recorded about it:
// postgres.
package notify
