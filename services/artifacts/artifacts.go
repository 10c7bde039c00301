package artifacts

import (
	"context"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/schemas"
)

func (s *Service) listArtifacts(ctx context.Context, req schemas.ListArtifactsRequest) (schemas.List[hodei.Artifact], error) {
	run, err := s.db.RunID(ctx, req.ID)
	if err == nil {
		_, err = s.db.GetRun(ctx, run)
	}
	if err != nil {
		return schemas.List[hodei.Artifact]{}, err
	}
	items, next, err := s.db.ListArtifacts(ctx, run, postgres.Page{Cursor: req.Cursor, Size: req.Size()})
	return schemas.List[hodei.Artifact]{Items: items, NextCursor: next}, err
}

func (s *Service) listReports(ctx context.Context, req schemas.ListReportsRequest) (schemas.List[hodei.Artifact], error) {
	pipeline, err := s.pipeline(ctx, req.ID)
	if err != nil {
		return schemas.List[hodei.Artifact]{}, err
	}
	items, next, err := s.db.ListReports(ctx, pipeline, postgres.Page{Cursor: req.Cursor, Size: req.Size()})
	return schemas.List[hodei.Artifact]{Items: items, NextCursor: next}, err
}

func (s *Service) getArtifact(ctx context.Context, req schemas.GetArtifactRequest) (hodei.Artifact, error) {
	return s.db.GetArtifact(ctx, req.ID)
}

func (s *Service) deleteArtifact(ctx context.Context, req schemas.DeleteArtifactRequest) (schemas.Empty, error) {
	return schemas.Empty{}, s.db.DeleteArtifact(ctx, req.ID)
}

// readArtifact returns a part of the content to people.
func (s *Service) readArtifact(ctx context.Context, req schemas.ReadArtifactRequest) (schemas.Chunk, error) {
	at, err := s.allowed.find(permission{artifact: req.ID}, func() (content, error) {
		a, err := s.db.GetArtifact(ctx, req.ID)
		if err != nil {
			return content{}, err
		}
		return s.find(ctx, a.SHA256)
	})
	if err != nil {
		return schemas.Chunk{}, err
	}
	return s.read(ctx, at, req.Offset)
}

// keepArtifacts records the artifacts of an execution, in one transaction.
func (s *Service) keepArtifacts(ctx context.Context, req schemas.KeepArtifactsRequest) (schemas.KeptArtifacts, error) {
	drafts := make([]postgres.NewArtifact, len(req.Artifacts))
	expires := false
	for i, a := range req.Artifacts {
		drafts[i] = postgres.NewArtifact{Name: a.Name, Blob: a.Blob, Files: a.Files}
		if a.Report != nil {
			drafts[i].Report = new(a.Report.Bounded())
		}
		if a.KeepSeconds != nil {
			drafts[i].Keep = new(time.Duration(*a.KeepSeconds * float64(time.Second)))
			expires = true
		}
	}
	kept, err := s.db.KeepArtifacts(ctx, req.WorkerID, req.ExecutionID, drafts)
	if err == nil && expires {
		s.wake()
	}
	return schemas.KeptArtifacts{Artifacts: kept}, err
}

func (s *Service) findInputs(ctx context.Context, req schemas.FindInputsRequest) (schemas.Inputs, error) {
	items, err := s.db.InputsOf(ctx, req.WorkerID, req.ExecutionID)
	return schemas.Inputs{Artifacts: append([]hodei.Artifact{}, items...)}, err
}
