package artifacts

import (
	"context"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/schemas"
)

// sourceOwner is the owner of the uploads of a caller for a pipeline.
func (s *Service) sourceOwner(ctx context.Context, ref hodei.PipelineRef) (string, error) {
	pipeline, err := s.pipeline(ctx, ref)
	if err != nil {
		return "", err
	}
	return pipeline.String() + "/" + person(ctx), nil
}

// person is the name of the caller, empty without access control.
func person(ctx context.Context) string {
	if name := hodei.CallerName(ctx); name != nil {
		return *name
	}
	return ""
}

// beginSource begins or resumes the upload of a tree.
func (s *Service) beginSource(ctx context.Context, req schemas.BeginSourceRequest) (schemas.Upload, error) {
	owner, err := s.sourceOwner(ctx, req.ID)
	if err != nil {
		return schemas.Upload{}, err
	}
	return s.begin(ctx, owner, req.Blob)
}

func (s *Service) writeSource(ctx context.Context, req schemas.WriteSourceRequest) (schemas.Empty, error) {
	part := permission{person: person(ctx), pipeline: req.ID, upload: req.UploadID}
	return schemas.Empty{}, s.write(ctx, part, req.Offset, req.Data, func() (string, error) { return s.sourceOwner(ctx, req.ID) })
}

func (s *Service) commitSource(ctx context.Context, req schemas.CommitSourceRequest) (hodei.Blob, error) {
	owner, err := s.sourceOwner(ctx, req.ID)
	if err != nil {
		return hodei.Blob{}, err
	}
	return s.commit(ctx, owner, req.UploadID)
}
