package mask

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
)

// secrets are tokens of 20 to 40 characters.
func secrets(n int) (values []string) {
	for i := range n {
		sum := sha256.Sum256([]byte{byte(i)})
		v := base64.RawStdEncoding.EncodeToString(sum[:])
		values = append(values, v[:20+i%20])
	}
	return values
}

// lines is a log of 70-byte lines.
func lines(size int) []byte {
	var b strings.Builder
	for i := 0; b.Len() < size; i++ {
		sum := sha256.Sum256([]byte(fmt.Sprint(i)))
		fmt.Fprintf(&b, "2026-11-29 step %05d: compiled package %s in %d ms\n", i, hex.EncodeToString(sum[:8]), i%500)
	}
	return []byte(b.String())
}

func BenchmarkWrite(b *testing.B) {
	for _, n := range []int{1, 5, 50} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := newSet(b, secrets(n)...)
			text := lines(32 << 10)
			m := NewMasker(s, func([]byte) {})
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				m.Write(text)
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	for _, n := range []int{1, 5, 50} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := newSet(b, secrets(n)...)
			for b.Loop() {
				b.ReportMetric(float64(len(s.texts)), "texts")
				b.ReportMetric(float64(4*len(compile(s.texts).next)), "bytes")
			}
		})
	}
}
