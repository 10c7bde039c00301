package main

import (
	"net/url"

	"github.com/spf13/pflag"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/edge"
	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
)

// oidcFlags are the provider with which people sign in to the console.
type oidcFlags struct {
	edge.OIDC
	roles       map[string]string
	defaultRole string
}

func (f *oidcFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.Issuer, "oidc-issuer", "", "URL of an OIDC provider with which people sign in to the console; with --auth")
	flags.StringVar(&f.ClientID, "oidc-client-id", "", "client id of Hodei at the provider; its redirect URI is URL/session/oidc/callback")
	flags.StringVar(&f.ClientSecret, "oidc-client-secret", "", "client secret of Hodei at the provider")
	cmdline.Secret(flags, "oidc-client-secret")
	flags.StringSliceVar(&f.Scopes, "oidc-scopes", []string{"profile", "email", "groups"}, "scopes to ask for beside openid")
	flags.StringVar(&f.GroupsClaim, "oidc-groups-claim", "groups", "claim that has the groups of a person")
	flags.StringToStringVar(&f.roles, "oidc-role", nil, "role of a group, as admins=admin; the highest counts; repeatable")
	flags.StringVar(&f.defaultRole, "oidc-default-role", "", "role of who is in none of these groups (default: they may not sign in)")
	flags.StringVar(&f.ExternalURL, "external-url", "", "URL of this server as browsers know it, such as https://hodei.example.com (default: that of the request)")
}

// config is nil without a provider.
func (f *oidcFlags) config(auth bool) (*edge.OIDC, error) {
	if f.Issuer == "" {
		return nil, nil
	}
	if !auth || f.ClientID == "" {
		return nil, cmdline.Usagef("--oidc-issuer needs --auth and --oidc-client-id")
	}
	for _, text := range []string{f.Issuer, f.ExternalURL} {
		if at, err := url.Parse(text); text != "" && (err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https") {
			return nil, cmdline.Usagef("--oidc-issuer and --external-url: a URL such as https://login.example.com required")
		}
	}
	cfg := f.OIDC
	cfg.Roles = map[string]hodei.Role{}
	for group, name := range f.roles {
		role, err := hodei.ParseRole(name)
		if err != nil {
			return nil, cmdline.Usagef("--oidc-role %s: %w", group, err)
		}
		cfg.Roles[group] = role
	}
	if f.defaultRole != "" {
		role, err := hodei.ParseRole(f.defaultRole)
		if err != nil {
			return nil, cmdline.Usagef("--oidc-default-role: %w", err)
		}
		cfg.DefaultRole = role
	}
	if len(cfg.Roles) == 0 && cfg.DefaultRole == "" {
		return nil, cmdline.Usagef("no user could sign in with OIDC: --oidc-role or --oidc-default-role required")
	}
	return &cfg, nil
}
