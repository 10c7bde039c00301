package schemas

import "github.com/hodei-jobs/hodei"

func examplesOfArtifacts(all map[*Op]example) {
	id := mustID[hodei.ArtifactID]("artifact_018d0c9f-1c40-7a1b-9d52-6f0e8a7b3cb4")
	a := hodei.Artifact{
		ID: id, Name: "app", RunID: &runID, RunNumber: ptr(42), ExecutionID: execID, JobKey: ptr("build"), Size: 1843200, Files: 12,
		SHA256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", CreatedAt: noon, ExpiresAt: ptr(noon.AddDate(0, 0, 7)),
	}
	tested := a
	tested.Report = &hodei.TestReport{
		Passed: 214, Failed: 1, DurationSeconds: 31.5,
		Failures: []hodei.TestCase{{Suite: "example.com/shop", Name: "TestPay", DurationSeconds: 0.2, Message: "pay_test.go:12: want 1, got 2"}},
		Slowest:  []hodei.TestCase{{Suite: "example.com/shop", Name: "TestCart", DurationSeconds: 12.25}},
	}
	show(all, ListReports, ListReportsRequest{ID: "release"}, page(tested))
	show(all, ListArtifacts, ListArtifactsRequest{ID: hodei.RefTo(runID)}, page(a))
	show(all, GetArtifact, GetArtifactRequest{ID: id}, a)
	show(all, ArtifactContent, ArtifactContentRequest{ID: id, Format: "zip"}, Empty{})
	cache := hodei.Cache{
		ID: mustID[hodei.CacheID]("cache_018d0c9f-1c40-7a1b-9d52-6f0e8a7b3cb6"), PipelineID: pipelineID, Key: "go-5f1c9a", Paths: []string{"~/.cache/go-build"},
		Size: 188743680, Files: 4210, SHA256: a.SHA256, CreatedAt: noon, UsedAt: noon.AddDate(0, 0, 2),
	}
	show(all, ListCaches, ListCachesRequest{ID: "release", Key: "go-"}, page(cache))
	show(all, DeleteCache, DeleteCacheRequest{ID: cache.ID}, Empty{})
	upload := mustID[hodei.BlobID]("blob_018d0c9f-1c40-7a1b-9d52-6f0e8a7b3cb5")
	tree := hodei.Blob{SHA256: a.SHA256, Size: 11}
	show(all, BeginSource, BeginSourceRequest{ID: "release", Blob: tree}, Upload{ID: upload})
	show(all, WriteSource, WriteSourceRequest{ID: "release", UploadID: upload, Data: []byte("the archive")}, Empty{})
	show(all, CommitSource, CommitSourceRequest{ID: "release", UploadID: upload}, tree)
	show(all, DeleteArtifact, DeleteArtifactRequest{ID: id}, Empty{})
}
