package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"tocsin/prefs"
)

type doctorCmd struct {
	NATS   natsFlags   `embed:"" group:"Dependencies"`
	Prefs  prefsFlags  `embed:"" group:"Dependencies"`
	Output outputFlags `embed:""`
	offer  `group:"Channels"`
}

// finding is the result of one check.
type finding struct {
	Check  string `json:"check"`
	State  string `json:"state"` // "ok", "warning" or "wrong"
	Detail string `json:"detail"`
}

const (
	stateOK      = "ok"
	stateWarning = "warning"
	stateWrong   = "wrong"
)

func (c *doctorCmd) Run(ctx context.Context, std stdio) error {
	findings := []finding{c.checkKeys(), c.checkNATS(ctx)}
	findings = append(findings, c.checkRedis(ctx)...)
	findings = append(findings, c.checkChannels()...)
	if err := report(std.out, findings, c.Output.json()); err != nil {
		return err
	}
	wrong := 0
	for _, f := range findings {
		if f.State == stateWrong {
			wrong++
		}
	}
	if wrong > 0 {
		return fmt.Errorf("%s found", plural(wrong, "problem"))
	}
	return nil
}

func report(out io.Writer, findings []finding, asJSON bool) error {
	if asJSON {
		return writeJSON(out, findings)
	}
	for _, f := range findings {
		fmt.Fprintf(out, "%-8s %-18s %s\n", f.State, f.Check, f.Detail)
	}
	return nil
}

func (c *doctorCmd) checkKeys() finding {
	if _, err := prefs.ParseKeys(c.Prefs.SecretsKey); err != nil {
		return finding{"TOCSIN_SECRETS_KEY", stateWrong, err.Error()}
	}
	return finding{"TOCSIN_SECRETS_KEY", stateOK, "credentials are encrypted"}
}

func (c *doctorCmd) checkNATS(ctx context.Context) finding {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	q, err := c.NATS.ready(ctx, zap.NewNop())
	if err != nil {
		return finding{"NATS", stateWrong, err.Error()}
	}
	defer q.Close()
	return finding{"NATS", stateOK, "JetStream answers, and the streams are ready"}
}

func (c *doctorCmd) checkRedis(ctx context.Context) []finding {
	client, err := c.Prefs.Redis.client()
	if err != nil {
		return []finding{{"TOCSIN_REDIS_URL", stateWrong, err.Error()}}
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := client.Ping(ctx).Err(); err != nil {
		return []finding{{"Redis", stateWrong, err.Error() + " (is TOCSIN_REDIS_URL right, and is the server up?)"}}
	}
	return []finding{{"Redis", stateOK, "answers"}, checkPersistence(ctx, client), checkEviction(ctx, client)}
}

// checkPersistence looks for an append-only file: without one a crash of Redis
// forgets who is told of what.
func checkPersistence(ctx context.Context, client redis.UniversalClient) finding {
	info, err := client.Info(ctx, "persistence").Result()
	switch {
	case err != nil:
		return finding{"Redis persistence", stateWarning, "cannot be read: " + err.Error()}
	case !strings.Contains(info, "aof_enabled:1"):
		return finding{"Redis persistence", stateWarning, "no append-only file: a crash loses preferences; set appendonly yes"}
	}
	return finding{"Redis persistence", stateOK, "append-only file"}
}

func checkEviction(ctx context.Context, client redis.UniversalClient) finding {
	settings, err := client.ConfigGet(ctx, "maxmemory-policy").Result()
	if err != nil {
		return finding{"Redis eviction", stateWarning, "cannot be read: " + err.Error()}
	}
	if policy := settings["maxmemory-policy"]; policy != "noeviction" {
		return finding{"Redis eviction", stateWrong, fmt.Sprintf("maxmemory-policy is %q: Redis may drop preferences; set noeviction", policy)}
	}
	return finding{"Redis eviction", stateOK, "nothing is evicted"}
}

func (c *doctorCmd) checkChannels() []finding {
	offered, err := c.names()
	if err != nil {
		return []finding{{"TOCSIN_CHANNELS", stateWrong, err.Error()}}
	}
	var findings []finding
	for _, spec := range c.specs {
		f := finding{"channel " + spec.Name, stateOK, "offered, and its configuration is right"}
		switch {
		case !slices.Contains(offered, spec.Name):
			f.Detail = "not offered"
		case !spec.Config.Present():
			f.State, f.Detail = stateWarning, "offered, but not configured here: another worker has to deliver"
		default:
			if _, err := spec.Config.Open(); err != nil {
				f.State, f.Detail = stateWrong, err.Error()
			}
		}
		findings = append(findings, f)
	}
	return findings
}
