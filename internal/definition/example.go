package definition

import (
	_ "embed"
	"strings"
)

//go:embed example.yaml
var example string

// Example is a commented definition to begin with.
func Example(slug string) string { return strings.Replace(example, "slug: example", "slug: "+slug, 1) }
