package edge

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/client"
	"github.com/hodei-jobs/hodei/internal/archive"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/internal/transfer"
	"github.com/hodei-jobs/hodei/schemas"
)

// maxDownloads is the limit of concurrent downloads. Each takes up to 5 MiB for the parts that are
// read ahead.
const maxDownloads = 32

// artifact answers with the content of an artifact: the stored archive, a zip archive, one file,
// or a list of the files.
func (e *Edge) artifact(op *schemas.Op) handler {
	bind := newBinder(op)
	decode, err := rpc.Decoder(op)
	if err != nil {
		panic(err) // the embedded schema is broken; a test compiles them all
	}
	return func(w http.ResponseWriter, r *http.Request) error {
		var want schemas.ArtifactContentRequest
		body, err := bind.request(w, r)
		if err != nil {
			return err
		}
		if err := decode(body, &want); err != nil {
			return err
		}
		found, err := client.NATS(e.cfg.NATS).GetArtifact(r.Context(), schemas.GetArtifactRequest{ID: want.ID})
		if err != nil {
			return err
		}
		select {
		case e.downloads <- struct{}{}:
			defer func() { <-e.downloads }()
		default:
			return hodei.Errorf(hodei.Unavailable, "%d artifacts are being downloaded: try again later", maxDownloads)
		}
		if rec, ok := w.(*recorder); ok {
			rec.stream = true
		}
		d := &download{ctx: r.Context(), edge: e, a: found, w: patient{w, e.cfg.Patience}}
		defer d.close()
		return d.serve(r, want)
	}
}

// download is one request for the content of an artifact.
type download struct {
	ctx    context.Context
	edge   *Edge
	a      hodei.Artifact
	w      http.ResponseWriter
	at     int64
	reader *transfer.Reader
}

func (d *download) serve(r *http.Request, want schemas.ArtifactContentRequest) error {
	name := strings.Map(func(r rune) rune {
		if r == '/' || r == '\\' || r < ' ' {
			return '_'
		}
		return r
	}, d.a.Name)
	head := d.w.Header()
	// A job made the content, so the browser must not show it as a page of this origin.
	head.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	switch {
	case want.Path != "":
		return d.file(want.Path)
	case want.Format == "list":
		return d.list()
	case want.Format == "zip":
		head.Set("Content-Type", "application/zip")
		head.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name + ".zip"}))
		d.end(d.zip())
	default:
		head.Set("Content-Type", "application/zstd")
		head.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name + ".tar.zst"}))
		head.Set("ETag", `"`+string(d.a.SHA256)+`"`)
		http.ServeContent(d.w, r, "", d.a.CreatedAt, d)
	}
	return nil
}

// end aborts an answer that has begun and cannot be completed, so that the client notices.
func (d *download) end(err error) {
	if err != nil {
		d.edge.cfg.Log.DebugContext(d.ctx, "download cut short", "artifact_id", d.a.ID, "err", err)
		panic(http.ErrAbortHandler)
	}
}

func (d *download) zip() error {
	out := zip.NewWriter(d.w)
	err := archive.Each(d.ctx, d, func(e archive.Entry, content io.Reader) error {
		header := &zip.FileHeader{Name: e.Path, Method: zip.Deflate, Modified: e.ModTime()}
		header.SetMode(e.Mode())
		if e.IsDir() {
			header.Name, header.Method = e.Path+"/", zip.Store
		}
		to, err := out.CreateHeader(header)
		if err == nil && !e.IsDir() {
			_, err = io.Copy(to, content)
		}
		return err
	})
	if err != nil {
		return err
	}
	return out.Close()
}

var errFound = errors.New("found")

// maxListed is how many files of an artifact are listed.
const maxListed = 10_000

// fileList is the list of the files of an artifact.
type fileList struct {
	Items     []listedFile `json:"items"`
	Truncated bool         `json:"truncated"`
}

type listedFile struct {
	Path      string `json:"path"`
	Size      int64  `json:"size"`
	Directory bool   `json:"directory"`
}

// list answers with the files and the empty directories of the artifact.
func (d *download) list() error {
	out := fileList{Items: []listedFile{}}
	err := archive.Each(d.ctx, d, func(e archive.Entry, _ io.Reader) error {
		if len(out.Items) == maxListed {
			out.Truncated = true
			return errFound
		}
		out.Items = append(out.Items, listedFile{e.Path, e.Size(), e.IsDir()})
		return nil
	})
	if err != nil && !errors.Is(err, errFound) {
		return err
	}
	body, err := hodei.JSON(out)
	if err != nil {
		return err
	}
	d.w.Header().Set("Content-Type", "application/json")
	_, err = d.w.Write(body)
	d.end(err)
	return nil
}

func (d *download) file(want string) error {
	err := archive.Each(d.ctx, d, func(e archive.Entry, content io.Reader) error {
		if e.Path != path.Clean(want) || e.IsDir() {
			return nil
		}
		head := d.w.Header()
		head.Set("Content-Type", "application/octet-stream")
		head.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": path.Base(e.Path)}))
		head.Set("Content-Length", fmt.Sprint(e.Size()))
		_, err := io.Copy(d.w, content)
		d.end(err)
		return errFound
	})
	switch {
	case err == nil:
		return &hodei.Error{Code: hodei.NotFound, Message: "The artifact has no file at that path", Resource: "file", ResourceID: want}
	case errors.Is(err, errFound):
		return nil
	}
	return err
}

// Read reads the stored content. The first chunk is read alone, and with the second begins the
// reading ahead: clients read content in ranges of one chunk.
func (d *download) Read(p []byte) (int, error) {
	if d.reader == nil {
		d.open(min(d.at+schemas.ChunkBytes, d.a.Size))
	}
	n, err := d.reader.Read(p)
	if err == io.EOF && d.at < d.a.Size {
		d.close()
		d.open(d.a.Size)
		n, err = d.reader.Read(p)
	}
	d.at += int64(n)
	return n, err
}

// open starts to read from the present offset to an end.
func (d *download) open(end int64) {
	d.reader = transfer.NewReader(d.ctx, transfer.Wire{Read: d.part}, hodei.Blob{SHA256: d.a.SHA256, Size: end}, d.at)
}

func (d *download) part(ctx context.Context, _ hodei.Blob, offset int64) ([]byte, error) {
	chunk, err := rpc.Call(ctx, d.edge.cfg.NATS, schemas.ReadArtifact, schemas.ReadArtifactRequest{ID: d.a.ID, Offset: offset})
	return chunk.Data, err
}

// Seek moves to another offset.
func (d *download) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += d.at
	case io.SeekEnd:
		offset += d.a.Size
	}
	if offset != d.at {
		d.close()
	}
	d.at = offset
	return offset, nil
}

func (d *download) close() {
	if d.reader != nil {
		d.reader.Close()
		d.reader = nil
	}
}

// patient is a writer with a new deadline for each piece of a file.
type patient struct {
	http.ResponseWriter
	within time.Duration
}

func (p patient) Write(data []byte) (int, error) {
	_ = http.NewResponseController(p.ResponseWriter).SetWriteDeadline(time.Now().Add(p.within)) // not every connection has one
	return p.ResponseWriter.Write(data)
}

func (p patient) Unwrap() http.ResponseWriter { return p.ResponseWriter }
