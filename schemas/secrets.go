package schemas

import "github.com/hodei-jobs/hodei"

// Secrets are set, listed and deleted. No operation returns a value.
var (
	SetSecret = declare[SetSecretRequest, hodei.Secret](Op{
		Name: "secrets.set", Role: hodei.Admin, Limit: "pipeline_id", Service: WorkerManager, Method: "PUT", Path: "/secrets/{name}",
		Summary: "Set the value of a secret",
		Description: "Jobs receive it where they name it in secrets. Each change is a new version; the same value again changes nothing. Executions " +
			"that run keep the value that they have. No operation returns a value.",
		Errors: []hodei.Code{hodei.NotFound},
	})
	ListSecrets = declare[ListSecretsRequest, List[hodei.Secret]](Op{
		Name: "secrets.list", Role: hodei.Admin, Limit: "pipeline_id", Service: WorkerManager, Method: "GET", Path: "/secrets",
		Summary:     "List the names of secrets",
		Description: "All of them, by name; never a value.",
		Errors:      []hodei.Code{hodei.NotFound},
	})
	DeleteSecret = declare[DeleteSecretRequest, Empty](Op{
		Name: "secrets.delete", Role: hodei.Admin, Limit: "pipeline_id", Service: WorkerManager, Method: "DELETE", Path: "/secrets/{name}", Status: 204,
		Summary:     "Delete a secret",
		Description: "Executions that name it fail from now on, with the reason SECRET_MISSING.",
		Errors:      []hodei.Code{hodei.NotFound},
	})
	RotateSecrets = declare[Empty, RotatedSecrets](Op{
		Name: "secrets.rotate", Role: hodei.Admin, Service: WorkerManager, Method: "POST", Path: "/secrets/rotate",
		Summary: "Encrypt all secrets with the first key of the key file",
		Description: "For replacing a key: put a new one above it in the file of each worker manager, restart them, rotate, and remove the old " +
			"one. The values and their versions stay as they are. A repeat changes nothing.",
	})
	VerifySecret = declare[VerifySecretRequest, VerifiedSecret](Op{
		Name: "secrets.verify", Role: hodei.RoleService, Service: WorkerManager, AskedBy: []string{Orchestrator}, Internal: true,
		Summary: "Verify a signature or a token with the value of a secret, without revealing the value",
	})
)

// SetSecretRequest sets a value.
type SetSecretRequest struct {
	// Name is the name by which jobs name the secret.
	Name string `json:"name" in:"path" jsonschema:"maxLength=100,pattern=^[A-Za-z_][A-Za-z0-9_.-]*$"`
	// Value is 6 characters to 48 KiB.
	Value string `json:"value"`
	// PipelineID limits the secret to the jobs of one pipeline.
	PipelineID *hodei.PipelineRef `json:"pipeline_id,omitempty"`
}

// ListSecretsRequest requests the names of secrets.
type ListSecretsRequest struct {
	// PipelineID selects those that the jobs of this pipeline receive.
	PipelineID *hodei.PipelineRef `json:"pipeline_id,omitempty" in:"query"`
}

// DeleteSecretRequest identifies a secret.
type DeleteSecretRequest struct {
	// Name is the name of the secret.
	Name string `json:"name" in:"path" jsonschema:"maxLength=100,pattern=^[A-Za-z_][A-Za-z0-9_.-]*$"`
	// PipelineID is the pipeline of the secret; none for a general one.
	PipelineID *hodei.PipelineRef `json:"pipeline_id,omitempty" in:"query"`
}

// RotatedSecrets is the outcome of a rotation.
type RotatedSecrets struct {
	// Rotated is the number of secrets that were encrypted with another key before.
	Rotated int `json:"rotated"`
	// Unreadable are the names of those that no key of the file decrypts. They must be
	// set again.
	Unreadable []string `json:"unreadable"`
}

// VerifySecretRequest asks whether a message proves that its sender has a secret. One of
// Signatures must be the HMAC-SHA256 of the attached bytes.
type VerifySecretRequest struct {
	Name string `json:"name"`
	// PipelineID is the pipeline whose secret is used. Without a secret of the pipeline, the
	// general one is used.
	PipelineID hodei.PipelineID `json:"pipeline_id"`
	Signatures [][]byte         `json:"signatures,omitempty"`
	// Token is the value of the secret, for a sender that does not sign.
	Token string `json:"token,omitempty"`
	Attached
}

// Validate reports a request without a proof.
func (r VerifySecretRequest) Validate() error {
	if r.Name == "" || r.PipelineID.IsZero() || r.Token == "" && len(r.Signatures) == 0 {
		return hodei.InvalidField("name", "a secret, a pipeline and a proof are required")
	}
	return nil
}

// VerifiedSecret is the reply. Issue explains to the owner of the secret why the proof is not
// valid; "" if it is valid.
type VerifiedSecret struct {
	Issue string `json:"issue"`
}

// SealedSecrets are the values of one execution, encrypted to its worker.
type SealedSecrets struct {
	// From is the public key of the sender.
	From string `json:"from" jsonschema:"maxLength=100"`
	Data []byte `json:"data"`
}
