package local

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"

	"github.com/hodei-jobs/hodei"
)

// account is the user that Postgres runs as: the current user. Postgres refuses
// to run as root, so root switches to the owner of an existing directory, or to
// the user postgres. The zero account is the current user.
type account struct {
	credential *syscall.Credential
}

func accountFor(dir string) (account, error) {
	if os.Geteuid() != 0 {
		return account{}, nil
	}
	info, err := os.Stat(dir)
	if err != nil {
		return account{}, err
	}
	if owner := info.Sys().(*syscall.Stat_t); owner.Uid != 0 {
		return account{&syscall.Credential{Uid: owner.Uid, Gid: owner.Gid}}, nil
	}
	who, err := user.Lookup("postgres")
	if err != nil {
		return account{}, hodei.Errorf(hodei.Unavailable,
			"Postgres refuses to run as root and there is no user postgres to run it as: useradd --system postgres, or start hodei as another user")
	}
	uid, err := strconv.ParseUint(who.Uid, 10, 32)
	if err != nil {
		return account{}, fmt.Errorf("look up user postgres: %w", err)
	}
	gid, err := strconv.ParseUint(who.Gid, 10, 32)
	if err != nil {
		return account{}, fmt.Errorf("look up user postgres: %w", err)
	}
	return account{&syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
}

// uid returns the user id of the account.
func (a account) uid() int {
	if a.credential == nil {
		return os.Geteuid()
	}
	return int(a.credential.Uid)
}

// own creates the directory if it is missing and makes it private to the
// account.
func (a account) own(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if a.credential != nil {
		if err := os.Chown(dir, int(a.credential.Uid), int(a.credential.Gid)); err != nil {
			return err
		}
	}
	return os.Chmod(dir, 0o700)
}
