package main

import (
	"os"
	"testing"
)

func TestGreeting(t *testing.T) {
	want := map[string]string{"en": "Hello", "eu": "Kaixo", "": "Hello"}
	language := os.Getenv("GREET_LANGUAGE")
	if got := greeting(language); got != want[language] {
		t.Errorf("greeting(%q) = %q", language, got)
	}
}
