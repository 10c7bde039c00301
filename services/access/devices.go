package access

import (
	"context"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/postgres"
	"github.com/hodei-jobs/hodei/schemas"
)

func (s *Service) createDevice(ctx context.Context, req schemas.CreateDeviceRequest) (schemas.Empty, error) {
	return schemas.Empty{}, s.db.CreateDevice(ctx, postgres.Device{UserCode: req.UserCode, Name: req.Name, Address: req.From}, req.Hash, schemas.DeviceLife)
}

func (s *Service) findDevice(ctx context.Context, req schemas.DeviceCode) (schemas.Device, error) {
	d, err := s.db.FindDevice(ctx, req.UserCode)
	return schemas.Device(d), err
}

// approveDevice gives the sign-in the rights of the caller, whom the edge has authenticated.
func (s *Service) approveDevice(ctx context.Context, req schemas.DeviceCode) (schemas.Device, error) {
	caller, known := hodei.CallerOf(ctx)
	if !known || caller.ID == nil {
		return schemas.Device{}, hodei.Errorf(hodei.Unauthenticated, "Who approves must have signed in")
	}
	d, err := s.db.ApproveDevice(ctx, req.UserCode, *caller.ID)
	if err == nil {
		s.write(ctx, caller, schemas.ApproveDevice.Op, hodei.AuditOK)
	}
	return schemas.Device(d), err
}

func (s *Service) redeemDevice(ctx context.Context, req schemas.RedeemDeviceRequest) (hodei.Token, error) {
	t, err := s.db.RedeemDevice(ctx, req.Hash, req.Token)
	if err == nil {
		s.write(ctx, callerOf(t, hodei.CallerToken, req.From), schemas.RedeemDevice.Op, hodei.AuditOK)
	}
	return t, unknown(err, "The sign-in is not known: it took too long, or was used")
}
