package rpc

import (
	"errors"
	"net/url"
	"regexp"
	"strings"
)

// masked replaces a secret, as in net/url.
const masked = "xxxxx"

var (
	// nextURL matches the start of the next URL in a list.
	nextURL = regexp.MustCompile(`,\s*(?:nats|tls|wss?)://`)
	// setting matches a secret among the parameters of a URL or of a connection
	// string.
	setting = regexp.MustCompile(`(?i)((?:ssl)?password|token)\s*=\s*(?:'(?:[^'\\]|\\.)*'?|[^&\s]*)`)
)

// Redacted returns a URL, or a comma-separated list of URLs, without secrets:
// the password of each, a token in place of a user, and password parameters. It
// also redacts text that is not a valid URL, but hides more of it.
func Redacted(urls string) string {
	var out strings.Builder
	for rest := urls; rest != ""; {
		end := len(rest)
		if next := nextURL.FindStringIndex(rest[1:]); next != nil {
			end = 1 + next[0]
		}
		out.WriteString(redactOne(rest[:end]))
		rest = rest[end:]
	}
	return setting.ReplaceAllString(out.String(), "$1="+masked)
}

// redactOne masks everything up to the last @, except the scheme and the user.
// An unescaped password may contain the characters that end a user or a host.
func redactOne(text string) string {
	at := strings.LastIndexByte(text, '@')
	if at < 0 {
		return text
	}
	start := 0
	if i := strings.Index(text[:at], "://"); i >= 0 {
		start = i + len("://")
	}
	user, _, both := strings.Cut(text[start:at], ":")
	if !both {
		return text[:start] + masked + text[at:] // a token, or a user that may contain one
	}
	return text[:start] + user + ":" + masked + text[at:]
}

// withoutURL removes the URL that net/url repeats in its errors.
func withoutURL(err error) error {
	if errors.As(err, new(*url.Error)) {
		return errors.New("not a valid URL: special characters of a password must be percent-encoded")
	}
	return err
}
