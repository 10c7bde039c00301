package edge

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/internal/rpc"
	"github.com/hodei-jobs/hodei/internal/token"
	"github.com/hodei-jobs/hodei/schemas"
)

const (
	// devicePoll is the interval at which a program asks whether its sign-in was approved.
	devicePoll = 2 * time.Second
	// devicesAtOnce and deviceEvery limit the sign-ins that one address begins.
	devicesAtOnce = 10
	deviceEvery   = 6 * time.Second
	// userCodeLetters are easy to distinguish and form no words.
	userCodeLetters = "BCDFGHJKLMNPQRSTVWXZ"
	userCodeSize    = 8
)

// newUserCode returns a code such as BCDF-GHJK.
func newUserCode() string {
	var code strings.Builder
	for code.Len() < userCodeSize+1 {
		var b [1]byte
		if _, _ = rand.Read(b[:]); int(b[0]) >= 256/len(userCodeLetters)*len(userCodeLetters) { // never fails
			continue // otherwise some letters would be more likely
		}
		if code.Len() == userCodeSize/2 {
			code.WriteByte('-')
		}
		code.WriteByte(userCodeLetters[int(b[0])%len(userCodeLetters)])
	}
	return code.String()
}

// readSmall reads the body of a request that is no operation. The body may have only the fields
// of req.
func readSmall(w http.ResponseWriter, r *http.Request, req any) error {
	if err := noParameters(r); err != nil {
		return err
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxSignIn)
	body, err := readBody(w, r, false)
	if err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if dec.Decode(req) != nil {
		return hodei.InvalidField("body", "is not as documented")
	}
	return nil
}

// beginDevice begins the sign-in of a program without a browser. A user who has signed in to the
// console approves it there.
func (e *Edge) beginDevice(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Cache-Control", "no-store")
	var req schemas.BeginDeviceRequest
	if err := readSmall(w, r, &req); err != nil {
		return err
	}
	switch {
	case !e.cfg.Auth:
		return hodei.Errorf(hodei.Conflict, "No token is needed here: it runs without --auth")
	case len(req.Name) > 100 || strings.TrimSpace(req.Name) == "":
		return hodei.InvalidField("name", "1 to 100 bytes required")
	case !e.devices.Allow(network(address(r))):
		return hodei.Errorf(hodei.RateLimited, "Too many sign-ins of this address: try again in a few seconds")
	}
	secret, code := token.New(token.Device), newUserCode()
	_, hash, err := token.Parse(secret)
	if err != nil {
		return err
	}
	begin := schemas.CreateDeviceRequest{Hash: hash[:], UserCode: code, Name: req.Name, From: address(r)}
	if _, err := rpc.Call(r.Context(), e.cfg.NATS, schemas.CreateDevice, begin); err != nil {
		return err
	}
	answerJSON(w, http.StatusCreated, schemas.BegunDevice{
		DeviceCode: secret, UserCode: code, Page: "/ui/device?code=" + code,
		ExpiresSeconds: int(schemas.DeviceLife.Seconds()), IntervalSeconds: int(devicePoll.Seconds()),
	})
	return nil
}

// redeemDevice answers with the token of an approved sign-in. The edge makes the text of the
// token, so the text is never sent over NATS and never stored.
func (e *Edge) redeemDevice(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Cache-Control", "no-store")
	var req schemas.RedeemRequest
	if err := readSmall(w, r, &req); err != nil {
		return err
	}
	kind, hash, err := token.Parse(req.DeviceCode)
	if err != nil || kind != token.Device {
		return hodei.Errorf(hodei.Unauthenticated, "The device code is not valid")
	}
	if e.callers.tooMany(address(r)) {
		return hodei.Errorf(hodei.RateLimited, "Too many tokens of this address were not valid: try again in a few seconds")
	}
	text := token.New(token.Person)
	_, of, err := token.Parse(text)
	if err != nil {
		return err
	}
	t, err := rpc.Call(r.Context(), e.cfg.NATS, schemas.RedeemDevice, schemas.RedeemDeviceRequest{Hash: hash[:], Token: of[:], From: address(r)})
	if err != nil {
		if errors.Is(err, hodei.Unauthenticated) {
			e.callers.fail(address(r))
		}
		return err
	}
	answerJSON(w, http.StatusOK, schemas.CreatedToken{Token: t, Text: text})
	return nil
}

// showDevice answers with the waiting sign-in of a code, and approveDevice gives it the rights of
// the caller. Both need a caller; wrong codes count as unknown tokens.
func (e *Edge) showDevice(w http.ResponseWriter, r *http.Request) error {
	return e.deviceOf(w, r, schemas.FindDevice, schemas.DeviceCode{UserCode: r.URL.Query().Get("code")})
}

func (e *Edge) approveDevice(w http.ResponseWriter, r *http.Request) error {
	var code schemas.DeviceCode
	if err := readSmall(w, r, &code); err != nil {
		return err
	}
	return e.deviceOf(w, r, schemas.ApproveDevice, code)
}

func (e *Edge) deviceOf(w http.ResponseWriter, r *http.Request, op schemas.Operation[schemas.DeviceCode, schemas.Device], code schemas.DeviceCode) error {
	code.UserCode = strings.ToUpper(strings.TrimSpace(code.UserCode))
	if e.callers.tooMany(address(r)) {
		return hodei.Errorf(hodei.RateLimited, "Too many codes of this address were not valid: try again in a few seconds")
	}
	device, err := rpc.Call(r.Context(), e.cfg.NATS, op, code)
	if err != nil {
		if errors.Is(err, hodei.NotFound) {
			e.callers.fail(address(r))
		}
		return err
	}
	answerJSON(w, http.StatusOK, device)
	return nil
}
