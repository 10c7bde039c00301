package console

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

//go:embed web
var web embed.FS

// Root is where the page is, Assets where its files are.
const (
	Root   = "/ui/"
	assets = Root + "assets/"
)

// file is one file as it is sent.
type file struct {
	kind       string // content type
	etag       string
	body, gzip []byte // gzip is nil where it would not be smaller
}

// site is everything there is to send.
type site struct {
	digest string // of all files
	page   file
	policy string // of the page
	files  map[string]file
}

// build reads, compresses and digests what is embedded, once.
var build = sync.OnceValues(func() (*site, error) {
	s := &site{files: map[string]file{}}
	whole := sha256.New()
	err := fs.WalkDir(web, "web", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := web.ReadFile(name)
		if err != nil {
			return err
		}
		fmt.Fprintf(whole, "%s %d\n", name, len(body))
		whole.Write(body)
		name = strings.TrimPrefix(name, "web/")
		s.files[name], err = newFile(name, body)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read console: %w", err)
	}
	s.digest = hex.EncodeToString(whole.Sum(nil))[:16]
	return s, s.finish()
})

// finish makes the page: the names of its files carry the digest, and the one
// inline script, the import map, is allowed by its hash.
func (s *site) finish() error {
	base := assets + s.digest
	html := bytes.ReplaceAll(s.files["index.html"].body, []byte("{{assets}}"), []byte(base))
	var preload strings.Builder
	for _, name := range modules(s.files) {
		fmt.Fprintf(&preload, "<link rel=\"modulepreload\" href=\"%s/%s\">\n", base, name)
	}
	html = bytes.Replace(html, []byte("{{preload}}\n"), []byte(preload.String()), 1)
	delete(s.files, "index.html")
	inline := importMap.FindSubmatch(html)
	if inline == nil {
		return fmt.Errorf("read console: index.html has no import map")
	}
	sum := sha256.Sum256(inline[1])
	s.policy = "default-src 'none'; script-src 'self' 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; " +
		"style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	var err error
	s.page, err = newFile("index.html", html)
	return err
}

var importMap = regexp.MustCompile(`(?s)<script type="importmap">(.*?)</script>`)

// modules are the names of the scripts that the page imports, in order.
func modules(files map[string]file) (names []string) {
	for name := range files {
		if ext := path.Ext(name); ext == ".mjs" || ext == ".js" && name != "theme.js" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func newFile(name string, body []byte) (file, error) {
	sum := sha256.Sum256(body)
	f := file{kind: contentType(name), etag: hex.EncodeToString(sum[:])[:16], body: body}
	if path.Ext(name) == ".woff2" { // compressed already
		return f, nil
	}
	var small bytes.Buffer
	zip, err := gzip.NewWriterLevel(&small, gzip.BestCompression)
	if err != nil {
		return f, err
	}
	if _, err := zip.Write(body); err != nil {
		return f, err
	}
	if err := zip.Close(); err != nil {
		return f, err
	}
	if small.Len() < len(body) {
		f.gzip = small.Bytes()
	}
	return f, nil
}

// contentType does not ask the machine, whose tables differ.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js", ".mjs":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".woff2":
		return "font/woff2"
	}
	return "text/plain; charset=utf-8"
}

// Serve answers what is under /ui/, and / itself.
func Serve(w http.ResponseWriter, r *http.Request) {
	s, err := build()
	if err != nil { // an embedded file that cannot be read or compressed
		http.Error(w, "The console is broken", http.StatusInternalServerError)
		return
	}
	if name, ok := strings.CutPrefix(r.URL.Path, assets); ok {
		s.asset(w, r, name)
		return
	}
	if !strings.HasPrefix(r.URL.Path, Root) {
		http.Redirect(w, r, Root, http.StatusFound)
		return
	}
	h := w.Header()
	h.Set("Content-Security-Policy", s.policy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-cache")
	send(w, r, s.page)
}

// asset sends one file. Its name carries the digest of all, so it never
// changes.
func (s *site) asset(w http.ResponseWriter, r *http.Request, name string) {
	digest, name, _ := strings.Cut(name, "/")
	f, ok := s.files[name]
	if !ok || digest != s.digest {
		w.Header().Set("Cache-Control", "no-store")
		http.Error(w, "No such file in this version of the console; reload the page", http.StatusNotFound)
		return
	}
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	send(w, r, f)
}

func send(w http.ResponseWriter, r *http.Request, f file) {
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("Vary", "Accept-Encoding")
	body, etag := f.body, f.etag
	if f.gzip != nil && takesGzip(r.Header.Get("Accept-Encoding")) {
		h.Set("Content-Encoding", "gzip")
		body, etag = f.gzip, etag+"-gzip"
	}
	h.Set("ETag", `"`+etag+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

// takesGzip reads an Accept-Encoding header.
func takesGzip(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		coding, params, err := mime.ParseMediaType("x/" + strings.TrimSpace(part))
		if err == nil && coding == "x/gzip" {
			q := params["q"]
			return q != "0" && !strings.HasPrefix(q, "0.0")
		}
	}
	return false
}
