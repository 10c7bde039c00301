package edge

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/swaggest/swgui/v5emb"
)

// docsFiles are the embedded files that the page of the docs loads.
var docsFiles = []string{
	"swagger-ui.css", "swagger-ui-bundle.js", "swagger-ui-standalone-preset.js", "favicon-16x16.png", "favicon-32x32.png",
}

// docs renders openapi.json with embedded files only, without the internet.
func docs() http.HandlerFunc {
	ui := v5emb.New("Hodei", "/openapi.json", "/docs")
	page := &capture{header: http.Header{}}
	ui.ServeHTTP(page, &http.Request{Method: http.MethodGet, URL: &url.URL{Path: "/docs"}})
	policy := docsPolicy(page.String())
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("Cross-Origin-Opener-Policy", "same-origin")
		ui.ServeHTTP(w, r)
	}
}

// capture buffers the response of a handler.
type capture struct {
	strings.Builder
	header http.Header
}

func (c *capture) Header() http.Header { return c.header }
func (c *capture) WriteHeader(int)     {}

// docsPolicy returns the Content-Security-Policy of the page: resources of this
// port, the page's own inline scripts and styles by hash, and no framing.
func docsPolicy(page string) string {
	return "default-src 'self'; script-src 'self'" + hashes(page, "script") + "; style-src 'self'" + hashes(page, "style") +
		"; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

// hashes returns the CSP hashes of the page's inline elements with this name.
func hashes(page, element string) string {
	var all strings.Builder
	for _, inline := range regexp.MustCompile(`(?s)<`+element+`>(.*?)</`+element+`>`).FindAllStringSubmatch(page, -1) {
		sum := sha256.Sum256([]byte(inline[1]))
		all.WriteString(" 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'")
	}
	return all.String()
}
