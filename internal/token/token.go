package token

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"math/big"
	"strings"
)

// Kind is what a secret is for.
type Kind byte

const (
	// Person is the token of a person or of a program.
	Person Kind = 't'
	// Session is the cookie of the console.
	Session Kind = 's'
	// Link signs in to the console once.
	Link Kind = 'l'
	// Join lets a worker join.
	Join Kind = 'j'
	// Device requests the token of a sign-in after its approval.
	Device Kind = 'd'
)

const (
	prefix      = "hodei_"
	randomBytes = 32
	randomChars = 43 // of base 62
	sumChars    = 6
)

// Size is the length of every secret.
const Size = len(prefix) + 2 + randomChars + sumChars

// Hash is the SHA-256 of a secret, which is all that leaves the process that it was given to.
type Hash [sha256.Size]byte

// Inbox returns the part of the reply subjects that only a holder of the secret may subscribe to
// on NATS: the first 16 hexadecimal digits of the hash.
func (h Hash) Inbox() string { return hex.EncodeToString(h[:8]) }

// New returns a new secret.
func New(kind Kind) string {
	var random [randomBytes]byte
	_, _ = rand.Read(random[:]) // never fails
	text := prefix + string(kind) + "_" + base62(new(big.Int).SetBytes(random[:]), randomChars)
	return text + checksum(text)
}

// base62 is a number in digits and letters, of a fixed length.
func base62(n *big.Int, chars int) string {
	text := n.Text(62)
	return strings.Repeat("0", chars-len(text)) + text
}

func checksum(text string) string {
	return base62(big.NewInt(int64(crc32.ChecksumIEEE([]byte(text)))), sumChars)
}

// errFormat does not repeat the text, which may be a secret of something else.
var errFormat = errors.New("not a token of Hodei: hodei_t_ and 49 letters and digits required; was it copied whole?")

// Parse returns the kind and the hash of a secret, unless its text cannot be one.
func Parse(text string) (Kind, Hash, error) {
	if len(text) != Size || !strings.HasPrefix(text, prefix) || text[len(prefix)+1] != '_' ||
		checksum(text[:Size-sumChars]) != text[Size-sumChars:] {
		return 0, Hash{}, errFormat
	}
	return Kind(text[len(prefix)]), sha256.Sum256([]byte(text)), nil
}
