package seal

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/nats-io/nkeys"

	"github.com/hodei-jobs/hodei"
)

// content is what is encrypted to a worker. A message that is moved to another execution is refused.
type content struct {
	ExecutionID hodei.ExecutionID `json:"execution_id"`
	Values      map[string]string `json:"values"`
}

// Pair is a curve key.
type Pair struct{ keys nkeys.KeyPair }

// NewPair makes a key, which is only in the memory of this process.
func NewPair() (*Pair, error) {
	keys, err := nkeys.CreateCurveKeys()
	if err != nil {
		return nil, fmt.Errorf("make a curve key: %w", err)
	}
	return &Pair{keys}, nil
}

// Public is the public half, as text.
func (p *Pair) Public() string {
	text, _ := p.keys.PublicKey() // fails for a wiped key only
	return text
}

// Seal encrypts the values of an execution to a public key.
func (p *Pair) Seal(to string, id hodei.ExecutionID, values map[string]string) ([]byte, error) {
	plain, err := json.Marshal(content{ExecutionID: id, Values: values})
	if err != nil {
		return nil, err
	}
	data, err := p.keys.Seal(plain, to)
	if err != nil {
		return nil, fmt.Errorf("encrypt to a worker: %w", err)
	}
	return data, nil
}

// Open decrypts the values of an execution that a sender has encrypted to this key.
func (p *Pair) Open(from string, data []byte, id hodei.ExecutionID) (map[string]string, error) {
	plain, err := p.keys.Open(data, from)
	if err != nil {
		return nil, errors.New("the secrets are not for this process of the worker")
	}
	var c content
	if json.Unmarshal(plain, &c) != nil || c.ExecutionID != id { // the error could repeat a value
		return nil, errors.New("the secrets are not for this execution")
	}
	return c.Values, nil
}
