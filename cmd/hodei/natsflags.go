package main

import (
	"log/slog"
	"path/filepath"

	"github.com/nats-io/nats.go"
	"github.com/spf13/pflag"

	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/internal/rpc"
)

// natsFlags are how a role connects to NATS.
type natsFlags struct {
	url string
	rpc.Credentials
}

func (f *natsFlags) add(flags *pflag.FlagSet, standard, usage string) {
	flags.StringVar(&f.url, "nats", standard, usage)
	cmdline.Secret(flags, "nats")
	f.addFiles(flags)
}

// addFiles adds the flags that name files.
func (f *natsFlags) addFiles(flags *pflag.FlagSet) {
	flags.StringVar(&f.Creds, "nats-creds", "", "file with credentials for NATS: a JWT and its seed")
	flags.StringVar(&f.NKey, "nats-nkey", "", "file with the seed of an nkey for NATS")
	flags.StringVar(&f.CA, "nats-ca", "", "file with the authorities of NATS' certificate, in PEM (default those of the system)")
	flags.StringVar(&f.TLSCert, "nats-tls-cert", "", "file with a certificate that NATS asks for, in PEM")
	flags.StringVar(&f.TLSKey, "nats-tls-key", "", "file with the key of --nats-tls-cert, in PEM")
}

// connect connects under a name.
func (f *natsFlags) connect(name string, log *slog.Logger) (*nats.Conn, error) {
	opts, err := f.Options()
	if err != nil {
		return nil, err
	}
	return rpc.Connect(f.url, name, log, opts...)
}

// files are the flags with which the reaper of a worker connects as the worker does. Their paths
// are absolute: the working directory of the reaper is /.
func (f *natsFlags) files() (args []string) {
	for name, path := range map[string]string{
		"nats-creds": f.Creds, "nats-nkey": f.NKey, "nats-ca": f.CA, "nats-tls-cert": f.TLSCert, "nats-tls-key": f.TLSKey,
	} {
		if path == "" {
			continue
		}
		if whole, err := filepath.Abs(path); err == nil {
			path = whole
		}
		args = append(args, "--"+name+"="+path)
	}
	return args
}
