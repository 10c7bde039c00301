package mask

import (
	"strings"
	"sync"
)

// Set contains the values to mask. Its methods may be called concurrently. The zero value
// is empty.
type Set struct {
	mu       sync.Mutex
	values   map[string]bool
	texts    []string
	compiled *automaton // nil when a value was added since, or there is none
}

// Add adds a value. It reports whether any text is masked for it: nothing shorter than
// MinLength is.
func (s *Set) Add(value string) bool {
	texts := forms(value)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.values[value] || len(texts) == 0 {
		return len(texts) > 0
	}
	if s.values == nil {
		s.values = map[string]bool{}
	}
	s.values[value] = true
	s.texts = append(s.texts, texts...)
	s.compiled = nil
	return true
}

// Has reports whether the value was added.
func (s *Set) Has(value string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.values[value]
}

// Len returns the number of values.
func (s *Set) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.values)
}

// automaton returns the automaton of all values, nil if there is none.
func (s *Set) automaton() *automaton {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.compiled == nil && len(s.texts) > 0 {
		s.compiled = compile(s.texts)
	}
	return s.compiled
}

// Mask returns a text with its values masked.
func (s *Set) Mask(text string) string {
	var masked strings.Builder
	m := NewMasker(s, func(p []byte) { masked.Write(p) })
	m.Write([]byte(text))
	m.Release()
	return masked.String()
}

// Contains reports whether the text contains a value, in any of its forms.
func (s *Set) Contains(text string) bool {
	m := NewMasker(s, func([]byte) {})
	m.Write([]byte(text))
	return m.found
}
