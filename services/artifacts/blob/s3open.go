package blob

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/hodei-jobs/hodei"
)

// S3Config names a bucket and its server. URL is required. The credentials are those of the
// environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN), of a file
// (AWS_SHARED_CREDENTIALS_FILE, AWS_PROFILE), or of the machine (IAM), in this order.
type S3Config struct {
	// URL is s3://bucket or s3://bucket/prefix.
	URL string
	// Endpoint is the URL of the server, https or http. Default: Amazon.
	Endpoint string
	// Region is that of the bucket. Default: the server is asked.
	Region string
	// CA is a file with certificates in PEM to trust besides those of the machine.
	CA string
}

// IsS3 reports whether the name of a store is that of a bucket.
func IsS3(name string) bool { return strings.HasPrefix(name, "s3://") }

// openWithin is the time in which the bucket must answer at the start.
const openWithin = 30 * time.Second

// OpenS3 uses a bucket, after it has stored, read and deleted a few bytes there: what is
// missing or denied is an error at once. Close closes it.
func OpenS3(ctx context.Context, cfg S3Config) (*S3, error) {
	s, err := newS3(cfg)
	if err != nil {
		return nil, fmt.Errorf("open the store of artifacts: %w", err) // the URL may have a secret by mistake
	}
	ctx, cancel := context.WithTimeoutCause(ctx, openWithin, fmt.Errorf("no answer from %s in time", s.core.EndpointURL()))
	defer cancel()
	if err := s.probe(ctx); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, errors.Join(fmt.Errorf("open the store of artifacts %s on %s: %w", cfg.URL, s.core.EndpointURL(), err), s.Close())
	}
	return s, nil
}

func newS3(cfg S3Config) (*S3, error) {
	at, err := url.Parse(cfg.URL)
	if err != nil || !IsS3(cfg.URL) || at.Host == "" || at.User != nil || at.RawQuery != "" {
		return nil, errors.New("a bucket is named as s3://bucket or s3://bucket/prefix")
	}
	server, err := url.Parse(cmp.Or(cfg.Endpoint, "https://s3.amazonaws.com"))
	if err != nil || server.Host == "" || server.Scheme != "https" && server.Scheme != "http" || strings.Trim(server.Path, "/") != "" {
		return nil, fmt.Errorf("the endpoint %q is no URL as https://host:port", cfg.Endpoint)
	}
	secure := server.Scheme == "https"
	transport, err := minio.DefaultTransport(secure)
	if err != nil {
		return nil, err
	}
	if cfg.CA != "" {
		if err := trust(transport, cfg.CA, secure); err != nil {
			return nil, err
		}
	}
	sources := []credentials.Provider{&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}}
	if os.Getenv("AWS_EC2_METADATA_DISABLED") != "true" {
		sources = append(sources, &credentials.IAM{Client: &http.Client{Timeout: 5 * time.Second}})
	}
	keys := credentials.NewChainCredentials(sources)
	client, err := minio.New(server.Host, &minio.Options{Creds: keys, Secure: secure, Transport: transport, Region: cfg.Region, MaxRetries: 3})
	if err != nil {
		return nil, err
	}
	found, err := keys.GetWithContext(client.CredContext())
	if err != nil {
		return nil, fmt.Errorf("find its credentials: %w", err)
	}
	if found.SignerType.IsAnonymous() {
		return nil, errors.New("there are no credentials for it: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a file with AWS_SHARED_CREDENTIALS_FILE")
	}
	prefix := strings.Trim(at.Path, "/")
	if prefix != "" {
		prefix += "/"
	}
	return &S3{core: minio.Core{Client: client}, transport: transport, bucket: at.Host, prefix: prefix, large: make(chan struct{}, largeAtOnce)}, nil
}

// trust adds the certificates of a file to those that the transport trusts.
func trust(transport *http.Transport, path string, secure bool) error {
	if !secure {
		return errors.New("a CA is for an endpoint with https")
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		return err
	}
	if !roots.AppendCertsFromPEM(text) {
		return fmt.Errorf("%s has no certificate in PEM", path)
	}
	transport.TLSClientConfig.RootCAs = roots
	return nil
}

// probe stores, reads and deletes a few bytes.
func (s *S3) probe(ctx context.Context) error {
	var id hodei.BlobID
	rand.Read(id[:]) // never fails
	data := []byte("hodei")
	want := hodei.Blob{SHA256: hodei.DigestOf(sha256.Sum256(data)), Size: int64(len(data))}
	err := s.Write(ctx, id, 0, data)
	if err == nil {
		err = s.Complete(ctx, id, want)
	}
	if err == nil {
		_, err = s.Read(ctx, id, 0, data)
	}
	if err != nil {
		return err
	}
	return s.Delete(ctx, id)
}

// is reports whether the server has refused a request with the code.
func is(err error, code string) bool {
	var refused minio.ErrorResponse
	return errors.As(err, &refused) && refused.Code == code
}

// failure makes an error of the server one for users: the store is away, or refuses.
func failure(act string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || hodei.AsError(err).Code != hodei.Internal {
		return err
	}
	why := err.Error()
	var refused minio.ErrorResponse
	var unreached *url.Error
	switch {
	case errors.As(err, &refused):
		why = refused.Code + ": " + refused.Message
	case errors.As(err, &unreached):
		why = unreached.Err.Error()
	}
	return hodei.Errorf(hodei.Unavailable, "the store of artifacts cannot %s: %s", act, why)
}
