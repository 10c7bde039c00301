package local

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"

	"github.com/hodei-jobs/hodei"
)

// BinEnv is the environment variable with the directory of the Postgres
// binaries to use, if the default search finds the wrong ones.
const BinEnv = "HODEI_PG_BIN"

// NoPostgres is the error if no binaries are found: the three alternatives.
const NoPostgres = "Postgres is not installed on this machine: install it (apt-get install postgresql, or " +
	"brew install postgresql; HODEI_PG_BIN names another directory), or name yours with --database-url postgres://… (HODEI_DATABASE_URL), " +
	"or run one in a container (docker run -d -p 5432:5432 -e POSTGRES_PASSWORD=hodei postgres, " +
	"then --database-url postgres://postgres:hodei@127.0.0.1:5432/postgres)"

// binaries is an installation of Postgres.
type binaries struct {
	dir   string
	major int
}

// findBinaries returns the installation for a cluster of the given major
// version. For a new cluster (0), it returns the first of $HODEI_PG_BIN, the
// PATH and the usual directories, highest version first.
func findBinaries(major int) (binaries, error) {
	found, err := installed()
	if err != nil {
		return binaries{}, err
	}
	if len(found) == 0 {
		return binaries{}, hodei.Errorf(hodei.Unavailable, NoPostgres)
	}
	for _, b := range found {
		if major == 0 || b.major == major {
			return b, nil
		}
	}
	return binaries{}, hodei.Errorf(hodei.Conflict,
		"the data was written by Postgres %d and the one installed (%s) is %d: install Postgres %d, or move the data with pg_dump or pg_upgrade",
		major, found[0].dir, found[0].major, major)
}

// installed lists the installations, the preferred one first.
func installed() ([]binaries, error) {
	if dir := os.Getenv(BinEnv); dir != "" {
		b, err := inspect(dir)
		if err != nil {
			return nil, hodei.Errorf(hodei.Unavailable, "%s=%s holds no usable Postgres: %v", BinEnv, dir, err)
		}
		return []binaries{b}, nil
	}
	var found, usual []binaries
	if path, err := exec.LookPath("postgres"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			found = appendUsable(found, filepath.Dir(path))
		}
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin", // Debian
		"/usr/pgsql-*/bin",          // Red Hat
		"/usr/libexec/postgresql*",  // Alpine
		"/opt/homebrew/opt/postgresql*/bin", "/usr/local/opt/postgresql*/bin",
	} {
		dirs, _ := filepath.Glob(pattern) // fails only for a malformed pattern
		for _, dir := range dirs {
			usual = appendUsable(usual, dir)
		}
	}
	slices.SortStableFunc(usual, func(a, b binaries) int { return b.major - a.major })
	return append(found, usual...), nil
}

func appendUsable(list []binaries, dir string) []binaries {
	if b, err := inspect(dir); err == nil {
		list = append(list, b)
	}
	return list
}

var versionLine = regexp.MustCompile(`^postgres \(PostgreSQL\) (\d+)`)

// inspect runs the binaries in dir to find their version.
func inspect(dir string) (binaries, error) {
	if _, err := exec.LookPath(filepath.Join(dir, "initdb")); err != nil {
		return binaries{}, err
	}
	cmd := exec.Command(filepath.Join(dir, "postgres"), "--version")
	cmd.Env = []string{"LC_ALL=C"} // none of the environment of hodei
	out, err := cmd.Output()
	if err != nil {
		return binaries{}, fmt.Errorf("postgres --version: %w", err)
	}
	version := versionLine.FindSubmatch(out)
	if version == nil {
		return binaries{}, fmt.Errorf("unexpected output of postgres --version: %q", out)
	}
	major, err := strconv.Atoi(string(version[1]))
	return binaries{dir: dir, major: major}, err
}
