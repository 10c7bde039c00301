// Command greet is what the pipeline beside it builds, tests and releases.
package main

import (
	"fmt"
	"os"
)

var version = "devel"

// greeting is the word of a language, of English for one that is not known.
func greeting(language string) string {
	if language == "eu" {
		return "Kaixo"
	}
	return "Hello"
}

func main() {
	fmt.Println(greeting(os.Getenv("GREET_LANGUAGE")), "from greet", version)
}
