// Package token makes and checks the secrets that prove who asks.
//
// # Owns
//
// The text of a token: hodei_, the letter of its kind, 43 characters of 32 random bytes, and
// 6 characters of a checksum, so that a typo and a text of another program are detected
// without the record. A secret scanner can match it as hodei_[a-z]_[0-9A-Za-z]{49}.
//
// The record has the SHA-256 of the text. A salt and a slow hash, which passwords need,
// would add nothing to 256 random bits.
//
// # When things fail
//
// A text that is no token is an error that does not repeat it.
//
// # Not here
//
// Whether a token is known, expired or revoked: services/access.
package token
