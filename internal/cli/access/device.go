package access

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/hodei-jobs/hodei"
	"github.com/hodei-jobs/hodei/client"
	"github.com/hodei-jobs/hodei/schemas"
)

// approvedToken prints a code and waits until a user approves it in the console.
func approvedToken(ctx context.Context, screen io.Writer, server string) (string, error) {
	machine, err := os.Hostname()
	if err != nil || machine == "" {
		machine = "a terminal"
	}
	begun, err := client.BeginDevice(ctx, server, machine)
	if err != nil {
		return "", err
	}
	fmt.Fprintf(screen, "Open %s%s\nand approve the code %s, within %s.\n", strings.TrimSuffix(server, "/"), begun.Page, begun.UserCode,
		time.Duration(begun.ExpiresSeconds)*time.Second)
	ctx, cancel := context.WithTimeout(ctx, time.Duration(begun.ExpiresSeconds)*time.Second)
	defer cancel()
	tick := time.NewTicker(max(time.Second, time.Duration(begun.IntervalSeconds)*time.Second))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return "", hodei.Errorf(hodei.Timeout, "The code was not approved in time")
		case <-tick.C:
		}
		made, err := client.RedeemDevice(ctx, server, schemas.RedeemRequest{DeviceCode: begun.DeviceCode})
		if errors.Is(err, hodei.Conflict) || errors.Is(err, hodei.Unavailable) || errors.Is(err, hodei.RateLimited) {
			continue // it waits, or the server is away for a moment
		}
		return made.Text, err
	}
}
