package edge

import (
	"net/http"

	"github.com/swaggest/swgui/v5emb"
)

// docsFiles are what the page of the docs is made of, apart from itself.
var docsFiles = []string{
	"swagger-ui.css", "swagger-ui-bundle.js", "swagger-ui-standalone-preset.js", "favicon-16x16.png", "favicon-32x32.png",
}

// docsPolicy has the browser refuse whatever does not come from this port.
const docsPolicy = "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:"

// docs renders openapi.json from what is embedded, without the internet.
func docs() http.HandlerFunc {
	ui := v5emb.New("Hodei", "/openapi.json", "/docs")
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", docsPolicy)
		ui.ServeHTTP(w, r)
	}
}
