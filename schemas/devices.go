package schemas

import (
	"time"

	"github.com/hodei-jobs/hodei"
)

// The sign-in of the command line with a code, which the edge serves under /session/device.
var (
	CreateDevice = declare[CreateDeviceRequest, Empty](Op{
		Name: "devices.create", Role: hodei.RoleService, Service: Access, AskedBy: []string{Edge}, Internal: true,
		Summary: "Begin a sign-in that a user approves in the console",
	})
	FindDevice = declare[DeviceCode, Device](Op{
		Name: "devices.get", Role: hodei.RoleService, Service: Access, AskedBy: []string{Edge}, Internal: true,
		Summary: "Get a sign-in that waits for its approval, by the code that the user was shown", Errors: []hodei.Code{hodei.NotFound},
	})
	ApproveDevice = declare[DeviceCode, Device](Op{
		Name: "devices.approve", Role: hodei.RoleService, Service: Access, AskedBy: []string{Edge}, Internal: true,
		Summary: "Approve a sign-in, which receives the rights of the caller", Errors: []hodei.Code{hodei.NotFound},
	})
	RedeemDevice = declare[RedeemDeviceRequest, hodei.Token](Op{
		Name: "devices.redeem", Role: hodei.RoleService, Service: Access, AskedBy: []string{Edge}, Internal: true,
		Summary: "Make the token of a sign-in that was approved, once; 409 while it waits",
		Errors:  []hodei.Code{hodei.Conflict, hodei.Unauthenticated},
	})
)

// DeviceLife is how long a sign-in waits for its approval.
const DeviceLife = 10 * time.Minute

// CreateDeviceRequest has the hash of the secret that the edge has made.
type CreateDeviceRequest struct {
	Hash     []byte `json:"hash"`
	UserCode string `json:"user_code"`
	Name     string `json:"name"`
	From     string `json:"from"`
}

// DeviceCode is the code that the user was shown.
type DeviceCode struct {
	UserCode string `json:"user_code"`
}

// RedeemDeviceRequest has the hash of the secret of the sign-in, and that of the new token.
type RedeemDeviceRequest struct {
	Hash  []byte `json:"hash"`
	Token []byte `json:"token"`
	From  string `json:"from"`
}

// Device is a sign-in that waits for its approval.
type Device struct {
	UserCode string `json:"user_code"`
	// Name is the name of the machine as the program gives it. Address is the address of the
	// program.
	Name      string    `json:"name"`
	Address   string    `json:"address"`
	CreatedAt time.Time `json:"created_at"`
}

// BeginDeviceRequest is the body of POST /session/device.
type BeginDeviceRequest struct {
	// Name is the name of the machine.
	Name string `json:"name"`
}

// BegunDevice is the reply to BeginDeviceRequest.
type BegunDevice struct {
	// DeviceCode is the secret with which the program asks for its token.
	DeviceCode string `json:"device_code"`
	// UserCode is shown to the user, who compares it or types it at the path Page.
	UserCode        string `json:"user_code"`
	Page            string `json:"page"`
	ExpiresSeconds  int    `json:"expires_in_seconds"`
	IntervalSeconds int    `json:"interval_seconds"`
}

// RedeemRequest is the body of POST /session/device/token. Its reply is a CreatedToken, or
// 409 while the sign-in waits.
type RedeemRequest struct {
	DeviceCode string `json:"device_code"`
}

// Validate checks the request's values.
func (r CreateDeviceRequest) Validate() error { return checkHash("hash", r.Hash) }

// Validate checks the request's values.
func (r RedeemDeviceRequest) Validate() error {
	if err := checkHash("hash", r.Hash); err != nil {
		return err
	}
	return checkHash("token", r.Token)
}
