package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/nats-io/nkeys"
	"github.com/spf13/cobra"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/permit"
	"github.com/hodei-jobs/hodei/internal/seal"
	"github.com/hodei-jobs/hodei/services/access"
)

// newSetup returns `hodei setup`.
func newSetup() *cobra.Command {
	return &cobra.Command{
		Use: "setup DIR", GroupID: "roles", Args: cobra.ExactArgs(1), Short: "Write the configuration of an installation with access control",
		Long: `Write the configuration of an installation with access control: nats.conf with the
accounts of programs and people, a key for each service, the keys of the access service
and of secrets, and units for systemd. Only the owner can read the keys.

Files that exist stay as they are, except accounts.conf: run it again after an upgrade,
because what a program needs of NATS may have changed.`,
		Example: "  hodei setup /etc/hodei",
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := filepath.Abs(args[0])
			if err != nil {
				return err
			}
			if err := setup(dir); err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "%s is complete; docs/secured.md has the next steps\n", dir)
			return nil
		},
	}
}

// setup writes what is missing in a directory, and accounts.conf.
func setup(dir string) error {
	keys := filepath.Join(dir, "keys")
	if err := errors.Join(os.MkdirAll(keys, 0o700), os.MkdirAll(filepath.Join(dir, "systemd"), 0o755)); err != nil {
		return err
	}
	var accounts permit.Accounts
	for _, name := range permit.Programs {
		user := permit.ProgramUser(name)
		var err error
		if user.NKey, err = programKey(filepath.Join(keys, name+".nk")); err != nil {
			return err
		}
		accounts.Users = append(accounts.Users, user)
	}
	callout, err := calloutKeys(filepath.Join(keys, "callout.keys"))
	if err != nil {
		return err
	}
	if accounts.Issuer, accounts.XKey, err = callout.Public(); err != nil {
		return err
	}
	if _, err := seal.LoadOrMake(filepath.Join(keys, "secrets.key")); err != nil {
		return err
	}
	if err := replaceFile(filepath.Join(dir, "accounts.conf"), accountsHead+accounts.Conf()); err != nil {
		return err
	}
	files := map[string]string{
		"nats.conf": string(hodei.NATSConf) + natsTail, "database-url": "postgres://hodei@localhost/hodei\n",
		"systemd/hodei-nats.service": unit("NATS for Hodei", "nats-server -c "+filepath.Join(dir, "nats.conf"), ""),
	}
	for _, name := range permit.Programs {
		files["systemd/hodei-"+name+".service"] = unit("Hodei: "+name, strings.Join(command(dir, name), " "), "hodei-nats.service")
	}
	for name, text := range files {
		if err := newFile(filepath.Join(dir, name), text); err != nil {
			return err
		}
	}
	return nil
}

const (
	accountsHead = "# Written by `hodei setup`, which overwrites it: change nats.conf instead.\n"
	natsTail     = `
# Programs, people and what each may do.
include ./accounts.conf

# For other machines: listen on their network, with TLS.
# listen: "0.0.0.0:4222"
# tls { cert_file: "/etc/hodei/nats.pem", key_file: "/etc/hodei/nats.key" }
`
)

// command is how a program is started.
func command(dir, name string) []string {
	args := []string{"hodei", name, "--nats", "nats://127.0.0.1:4222", "--nats-nkey", filepath.Join(dir, "keys", name+".nk")}
	switch name {
	case "edge":
		return append(args, "--auth")
	case "access":
		args = append(args, "--callout-keys", filepath.Join(dir, "keys", "callout.keys"))
	case "artifacts":
		args = append(args, "--artifacts", "/var/lib/hodei/artifacts")
	case "worker-manager":
		args = append(args, "--secrets-key", filepath.Join(dir, "keys", "secrets.key"))
	}
	return append(args, "--database-url-file", filepath.Join(dir, "database-url"))
}

// unit is a unit of systemd.
func unit(about, command, after string) string {
	return fmt.Sprintf(`[Unit]
Description=%s
After=network-online.target %s

[Service]
# The user must be able to read the keys.
User=hodei
StateDirectory=hodei
WorkingDirectory=/var/lib/hodei
# systemd searches the program in its path.
ExecStart=/usr/bin/env %s
Restart=always
RestartSec=1

[Install]
WantedBy=multi-user.target
`, about, after, command)
}

// programKey returns the public key of a program, whose seed is in a file that is made if it
// is missing.
func programKey(path string) (string, error) {
	key, err := nkeys.CreateUser()
	if err != nil {
		return "", err
	}
	seed, err := key.Seed()
	if err != nil {
		return "", err
	}
	if err := newFile(path, string(seed)+"\n"); err != nil {
		return "", err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	if key, err = nkeys.FromSeed([]byte(strings.TrimSpace(string(text)))); err != nil {
		return "", fmt.Errorf("read the key in %s: %w", path, err)
	}
	return key.PublicKey()
}

// calloutKeys returns the keys of the access service, from a file that is made if it is missing.
func calloutKeys(path string) (*access.CalloutKeys, error) {
	keys, err := access.NewCalloutKeys()
	if err != nil {
		return nil, err
	}
	seeds, err := keys.Seeds()
	if err != nil {
		return nil, err
	}
	if err := newFile(path, seeds); err != nil {
		return nil, err
	}
	return access.LoadCalloutKeys(path)
}

// newFile writes a file that only its owner can read, unless there is one.
func newFile(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err == nil {
		_, err = f.WriteString(text)
		err = errors.Join(err, f.Close())
	}
	return err
}
