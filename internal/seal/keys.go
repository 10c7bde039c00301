package seal

import (
	"bufio"
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

const keySize = 32

// Keys are the keys of a file.
type Keys struct {
	list []key
}

type key struct {
	id   string
	aead cipher.AEAD
}

// ErrNoKey is returned by Open for a value whose key is not in the file.
var ErrNoKey = errors.New("encrypted with a key that is not in the key file")

// Load reads a key file.
func Load(path string) (*Keys, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read secrets key: %w", err)
	}
	keys, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("secrets key %s: %w", path, err)
	}
	return keys, nil
}

// LoadOrMake reads a key file, after creating one with a new key if there is none.
func LoadOrMake(path string) (*Keys, error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return Load(path)
	}
	if err == nil {
		_, err = file.Write(newFile())
		err = errors.Join(err, file.Sync(), file.Close())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make secrets key: %w", err), os.Remove(path))
	}
	return Load(path)
}

// newFile returns the content of a key file with a new key.
func newFile() []byte {
	fresh := make([]byte, keySize)
	rand.Read(fresh)
	return fmt.Appendf(nil, "# The keys of Hodei's secrets. Keep a copy apart from the database: without it no value can be read.\n"+
		"# The first key encrypts, all decrypt.\n%s\n", base64.StdEncoding.EncodeToString(fresh))
}

// parse never repeats the text in an error.
func parse(text []byte) (*Keys, error) {
	k := &Keys{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		raw, err := base64.StdEncoding.DecodeString(line)
		if err != nil || len(raw) != keySize {
			return nil, fmt.Errorf("line %d: %d random bytes in base64 are required (openssl rand -base64 %d)", n, keySize, keySize)
		}
		block, err := aes.NewCipher(raw)
		if err != nil {
			return nil, err
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(raw)
		k.list = append(k.list, key{id: hex.EncodeToString(sum[:8]), aead: aead})
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(k.list) == 0 {
		return nil, errors.New("it contains no key")
	}
	return k, nil
}

// Current is the id of the key that encrypts.
func (k *Keys) Current() string { return k.list[0].id }

// Seal encrypts a value with the first key.
func (k *Keys) Seal(value, associated []byte) []byte {
	return k.list[0].aead.Seal(nil, nil, value, associated)
}

// Open decrypts a value that was encrypted with the key of that id. It returns ErrNoKey if
// there is no such key.
func (k *Keys) Open(id string, sealed, associated []byte) ([]byte, error) {
	for _, key := range k.list {
		if key.id == id {
			return key.aead.Open(nil, nil, sealed, associated)
		}
	}
	return nil, ErrNoKey
}
