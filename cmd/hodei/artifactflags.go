package main

import (
	"cmp"
	"context"
	"time"

	"github.com/spf13/pflag"

	"github.com/hodei-jobs/hodei/internal/cli/cmdline"
	"github.com/hodei-jobs/hodei/services/artifacts"
	"github.com/hodei-jobs/hodei/services/artifacts/blob"
)

// artifactFlags are where the files of jobs are stored, and how many.
type artifactFlags struct {
	s3          blob.S3Config
	quota       cmdline.ByteSize
	cacheLimit  cmdline.ByteSize
	cacheUnused cmdline.Duration
}

func (f *artifactFlags) add(flags *pflag.FlagSet, standard string) {
	flags.StringVar(&f.s3.URL, "artifacts", "", "directory or s3://bucket/prefix that stores the files of jobs ("+standard+")")
	flags.Var(&f.quota, "artifact-quota", "limit of what is stored, such as 50GiB; an artifact beyond it is refused (default none)")
	flags.StringVar(&f.s3.Endpoint, "s3-endpoint", "", "URL of the server of s3://, such as https://minio.internal:9000 (default Amazon)")
	flags.StringVar(&f.s3.Region, "s3-region", "", "region of the bucket (default what the server answers)")
	flags.StringVar(&f.s3.CA, "s3-ca", "", "file with CA certificates to trust for s3:// besides those of the system")
	f.cacheLimit, f.cacheUnused = 10<<30, cmdline.Duration(14*cmdline.Day)
	flags.Var(&f.cacheLimit, "cache-limit", "limit of all caches together, at most half of --artifact-quota; beyond it the least recently used are deleted")
	flags.Var(&f.cacheUnused, "cache-unused", "how long a cache is kept that no job uses; 0: for ever")
}

// config opens the store, in the standard directory if none is given.
func (f *artifactFlags) config(ctx context.Context, standard string) (*artifacts.Config, error) {
	to := *f
	to.s3.URL = cmp.Or(f.s3.URL, standard)
	if to.s3.URL == "" {
		return nil, cmdline.Usagef("--artifacts is required: a directory, which all instances share, or s3://bucket/prefix")
	}
	store, err := to.open(ctx)
	if err != nil {
		return nil, err
	}
	return &artifacts.Config{Store: store, Quota: int64(f.quota), CacheLimit: int64(f.cacheLimit), CacheUnused: time.Duration(f.cacheUnused)}, nil
}

func (f *artifactFlags) open(ctx context.Context) (blob.Store, error) {
	if blob.IsS3(f.s3.URL) {
		return blob.OpenS3(ctx, f.s3)
	}
	if f.s3 != (blob.S3Config{URL: f.s3.URL}) {
		return nil, cmdline.Usagef("--s3-endpoint and the like are for --artifacts s3://bucket")
	}
	return blob.OpenDir(f.s3.URL)
}
