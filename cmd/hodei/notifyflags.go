package main

import (
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"strconv"

	"github.com/spf13/pflag"

	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/internal/notify"
	"github.com/hodei-jobs/hodei/services/workermanager"
)

// notifyFlags are how the worker manager sends notifications.
type notifyFlags struct {
	allow                        []string
	public                       string
	server, from, user, password string
}

func (f *notifyFlags) add(flags *pflag.FlagSet) {
	flags.StringSliceVar(&f.allow, "notify-allow", nil, "network, such as 10.0.0.0/8, that notifications may go to though it is not of the internet; repeatable")
	flags.StringVar(&f.public, "public-url", "", "address of the console in notifications, such as https://hodei.example.com")
	flags.StringVar(&f.server, "smtp-server", "", "server for e-mail: smtp://host:587 (with STARTTLS), smtps://host:465, or smtp+insecure://host:25")
	flags.StringVar(&f.from, "smtp-from", "", "sender of e-mail, such as hodei@example.com")
	flags.StringVar(&f.user, "smtp-user", "", "user at the server for e-mail")
	flags.StringVar(&f.password, "smtp-password", "", "password at the server for e-mail")
	cmdline.Secret(flags, "smtp-password")
}

// set configures the worker manager.
func (f *notifyFlags) set(cfg *workermanager.Config) error {
	for _, text := range f.allow {
		network, err := parseNetwork("notify-allow", text)
		if err != nil {
			return err
		}
		cfg.Notify.Allow = append(cfg.Notify.Allow, network)
	}
	if u, err := url.Parse(f.public); f.public != "" && (err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http") {
		return cmdline.Usagef("--public-url %s: an address such as https://hodei.example.com required", f.public)
	}
	cfg.PublicURL = f.public
	if f.server == "" {
		if f.from != "" || f.user != "" || f.password != "" {
			return cmdline.Usagef("--smtp-from, --smtp-user and --smtp-password are for --smtp-server")
		}
		return nil
	}
	server, err := notify.ParseSMTP(f.server)
	if err != nil {
		return cmdline.Usagef("--smtp-server: %w", err)
	}
	from, err := mail.ParseAddress(f.from)
	if err != nil {
		return cmdline.Usagef("--smtp-server needs --smtp-from, the sender, such as hodei@example.com")
	}
	if f.user != "" && server.Insecure {
		return cmdline.Usagef("--smtp-user: the password would be sent without TLS; use smtp:// or smtps://")
	}
	server.From, server.User, server.Password = *from, f.user, f.password
	cfg.Notify.SMTP = server
	return nil
}

// setLocal is set for a system whose edge is on this machine: if only this machine reaches
// it, notifications may go to this machine, and the console is there.
func (f *notifyFlags) setLocal(cfg *workermanager.Config, front *edgeFlags) error {
	if err := f.set(cfg); err != nil || !loopback(front.host) {
		return err
	}
	cfg.Notify.Allow = append(cfg.Notify.Allow, netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128"))
	if cfg.PublicURL == "" && front.portBase != 0 {
		scheme := "http"
		if front.tlsCert != "" {
			scheme = "https"
		}
		cfg.PublicURL = scheme + "://" + net.JoinHostPort(front.host, strconv.Itoa(front.portBase))
	}
	return nil
}
