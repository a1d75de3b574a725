package check

import (
	"context"
	"net"

	"reconciler/internal/job"
)

func lookTCP(ctx context.Context, t job.CheckTarget) result {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", hostPort(t))
	if err != nil {
		if late(ctx) {
			return failed("no connection within %s", patience(t))
		}
		return failed("%s", err)
	}
	_ = conn.Close() // nothing was written
	return result{job.CheckPassing, "connected"}
}
