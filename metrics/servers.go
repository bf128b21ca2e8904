package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

var (
	serverUp  = description("tocsin_server_up", "1 where this process reaches the server, 0 where it waits for it.", "server")
	serverRTT = description("tocsin_server_rtt_seconds", "How long the server took for its newest answer to a ping.", "server")
)

// Server is one that a process depends on.
type Server struct {
	Name string // "nats" or "redis"
	Ping func(context.Context) error
}

// patience is how long a ping waits: longer means that work does not go on.
const patience = 2 * time.Second

// WatchServers pings servers until ctx is done.
func (m *Metrics) WatchServers(ctx context.Context, every time.Duration, servers ...Server) {
	m.servers.readEvery(ctx, every, func(ctx context.Context) ([]prometheus.Metric, error) {
		var all []prometheus.Metric
		for _, s := range servers {
			all = append(all, s.figures(ctx)...)
		}
		return all, nil
	})
}

func (s Server) figures(ctx context.Context) []prometheus.Metric {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	asked := time.Now()
	if s.Ping(ctx) != nil {
		return []prometheus.Metric{level(serverUp, 0, s.Name)}
	}
	return []prometheus.Metric{level(serverUp, 1, s.Name), level(serverRTT, time.Since(asked).Seconds(), s.Name)}
}
