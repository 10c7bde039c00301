package console_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hodei-jobs/hodei/edge/console"
)

func get(t *testing.T, url string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest("GET", url, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	console.Serve(w, r)
	return w.Result()
}

func body(t *testing.T, resp *http.Response) string {
	t.Helper()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(text)
}

// base is the path of the assets, as the page names it.
func base(t *testing.T) string {
	t.Helper()
	m := regexp.MustCompile(`/ui/assets/[0-9a-f]{16}`).FindString(body(t, get(t, "/ui/")))
	require.NotEmpty(t, m)
	return m
}

// Every deep link is the page; the browser asks whether it has changed.
func TestThePage(t *testing.T) {
	page := get(t, "/ui/")
	require.Equal(t, 200, page.StatusCode)
	require.Equal(t, "no-cache", page.Header.Get("Cache-Control"))
	etag := page.Header.Get("ETag")
	require.NotEmpty(t, etag)
	require.Equal(t, body(t, page), body(t, get(t, "/ui/executions/exec_1?x=y")))
	require.Equal(t, 304, get(t, "/ui/queue", "If-None-Match", etag).StatusCode)
	for _, path := range []string{"/", "/ui"} {
		resp := get(t, path)
		require.Equal(t, 302, resp.StatusCode)
		require.Equal(t, "/ui/", resp.Header.Get("Location"))
	}
}

// The policy allows no script or style that is not a file of ours, but for the
// import map, which it names by its hash.
func TestThePolicy(t *testing.T) {
	page := get(t, "/ui/")
	html := body(t, page)
	policy := page.Header.Get("Content-Security-Policy")
	require.Contains(t, policy, "default-src 'none'")
	require.NotContains(t, policy, "unsafe")
	inline := regexp.MustCompile(`(?s)<script(?: type="importmap")?>(.*?)</script>`).FindAllStringSubmatch(html, -1)
	require.Len(t, inline, 1)
	sum := sha256.Sum256([]byte(inline[0][1]))
	require.Contains(t, policy, "script-src 'self' 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"';")
	require.NotContains(t, html, "<style")
	require.NotContains(t, html, "style=")
	require.NotContains(t, html, "{{")
}

// A file never changes under its name, and is sent small to who can unpack it.
func TestFiles(t *testing.T) {
	url := base(t) + "/app.js"
	plain := get(t, url)
	require.Equal(t, 200, plain.StatusCode)
	require.Equal(t, "public, max-age=31536000, immutable", plain.Header.Get("Cache-Control"))
	require.Equal(t, "text/javascript; charset=utf-8", plain.Header.Get("Content-Type"))
	require.Equal(t, "Accept-Encoding", plain.Header.Get("Vary"))
	small := get(t, url, "Accept-Encoding", "br;q=1.0, gzip;q=0.8")
	require.Equal(t, "gzip", small.Header.Get("Content-Encoding"))
	require.NotEqual(t, plain.Header.Get("ETag"), small.Header.Get("ETag"))
	unpacked, err := gzip.NewReader(small.Body)
	require.NoError(t, err)
	text, err := io.ReadAll(unpacked)
	require.NoError(t, err)
	require.Equal(t, body(t, plain), string(text))
	require.Empty(t, get(t, url, "Accept-Encoding", "gzip;q=0").Header.Get("Content-Encoding"))
	require.Equal(t, 304, get(t, url, "If-None-Match", plain.Header.Get("ETag")).StatusCode)
	for _, gone := range []string{"/ui/assets/0123456789abcdef/app.js", base(t) + "/nothing.js", base(t) + "/index.html", base(t), "/ui/assets/"} {
		resp := get(t, gone)
		require.Equal(t, 404, resp.StatusCode, gone)
		require.Equal(t, "no-store", resp.Header.Get("Cache-Control"))
	}
}

// files are those in web/, by their names there.
func files(t *testing.T) map[string][]byte {
	t.Helper()
	all, web := map[string][]byte{}, os.DirFS("web")
	require.NoError(t, fs.WalkDir(web, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		all[name], err = fs.ReadFile(web, name)
		return err
	}))
	return all
}

// What others wrote is what they wrote, and its licence is beside it.
func TestVendoredFiles(t *testing.T) {
	all := files(t)
	listed := map[string]bool{}
	for line := range strings.Lines(string(all["vendor/SHA256SUMS"])) {
		sum, name, ok := strings.Cut(strings.TrimSpace(line), "  ")
		require.True(t, ok, line)
		got := sha256.Sum256(all["vendor/"+name])
		require.Equal(t, sum, hex.EncodeToString(got[:]), name)
		listed[name] = true
	}
	about := string(all["vendor/README.md"])
	for name := range all {
		name, vendored := strings.CutPrefix(name, "vendor/")
		if !vendored || name == "SHA256SUMS" || name == "README.md" {
			continue
		}
		require.True(t, listed[name], "%s is not in SHA256SUMS", name)
		if !strings.HasPrefix(name, "LICENSE") {
			require.Contains(t, about, name)
		}
	}
	require.Greater(t, len(listed), 10)
}

var (
	imported = regexp.MustCompile(`(?m)^(?:import|export)\s(?:[^'"]*?\sfrom\s)?['"]([^'"]+)['"]`)
	remote   = regexp.MustCompile(`(?i)(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}`)
)

// Every import leads to a file, and nothing leads off the machine.
func TestSourcesStandAlone(t *testing.T) {
	all := files(t)
	for name, text := range all {
		if strings.HasPrefix(name, "vendor/") || !strings.HasSuffix(name, ".js") {
			continue
		}
		require.False(t, remote.Match(bytes.ReplaceAll(text, []byte("http://www.w3.org/2000/svg"), nil)), "%s names another machine", name)
		require.LessOrEqual(t, bytes.Count(text, []byte("\n")), 300, "%s cannot be read in one go", name)
		for _, m := range imported.FindAllStringSubmatch(string(text), -1) {
			if strings.HasPrefix(m[1], ".") {
				require.Contains(t, all, path.Join(path.Dir(name), m[1]), "%s imports it", name)
			} else {
				require.Contains(t, string(all["index.html"]), `"`+m[1]+`":`, "%s imports it", name)
			}
		}
	}
	for _, m := range regexp.MustCompile(`\{\{assets\}\}/([^"]+)"`).FindAllStringSubmatch(string(all["index.html"]), -1) {
		require.Contains(t, all, m[1])
	}
}
