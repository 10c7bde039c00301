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

// BinEnv names the variable that holds the directory of the Postgres binaries
// to use, where those that would be found are not the wanted ones.
const BinEnv = "HODEI_PG_BIN"

// NoPostgres is said where there are no binaries: the three ways out.
const NoPostgres = "Postgres is not installed on this machine: install it (apt-get install postgresql, or " +
	"brew install postgresql; HODEI_PG_BIN names another directory), or name yours with --database-url postgres://… (HODEI_DATABASE_URL), " +
	"or run one in a container (docker run -d -p 5432:5432 -e POSTGRES_PASSWORD=hodei postgres, " +
	"then --database-url postgres://postgres:hodei@127.0.0.1:5432/postgres)"

// binaries is an installation of Postgres.
type binaries struct {
	dir   string
	major int
}

// findBinaries returns the installation to use for a cluster made by the given
// major version, 0 for a cluster that has still to be made: then the first of
// $HODEI_PG_BIN, the PATH and the usual places, the highest version first.
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

// installed lists the installations, the best first.
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
		dirs, _ := filepath.Glob(pattern) // fails for a bad pattern only
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

// inspect asks the binaries in dir for their version.
func inspect(dir string) (binaries, error) {
	if _, err := exec.LookPath(filepath.Join(dir, "initdb")); err != nil {
		return binaries{}, err
	}
	cmd := exec.Command(filepath.Join(dir, "postgres"), "--version")
	cmd.Env = []string{"LC_ALL=C"} // nothing of ours
	out, err := cmd.Output()
	if err != nil {
		return binaries{}, fmt.Errorf("postgres --version: %w", err)
	}
	version := versionLine.FindSubmatch(out)
	if version == nil {
		return binaries{}, fmt.Errorf("postgres --version said %q", out)
	}
	major, err := strconv.Atoi(string(version[1]))
	return binaries{dir: dir, major: major}, err
}
