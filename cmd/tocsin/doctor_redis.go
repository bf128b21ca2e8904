package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"tocsin/prefs"
)

func (c *doctorCmd) checkRedis(ctx context.Context) []finding {
	client, err := c.Prefs.Redis.client()
	if err != nil {
		return []finding{{"TOCSIN_REDIS_URL", stateWrong, err.Error()}}
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	if err := client.Ping(ctx).Err(); err != nil {
		return []finding{{"Redis", stateWrong, fmt.Sprintf("%v (%s)", err, redisAdvice(err))}}
	}
	findings := []finding{
		{"Redis", stateOK, "answers"},
		checkPersistence(ctx, client), checkEviction(ctx, client), checkMemory(ctx, client), checkRole(ctx, client),
	}
	asked := time.Now()
	if at, err := client.Time(ctx).Result(); err == nil {
		findings = append(findings, checkClock("Redis", at.Sub(asked.Add(time.Since(asked)/2))))
	}
	return append(findings, c.checkSecrets(ctx, client)...)
}

// redisAdvice is what to do about an error of the first command.
func redisAdvice(err error) string {
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	switch text := err.Error(); {
	case strings.HasPrefix(text, "WRONGPASS"), strings.HasPrefix(text, "NOAUTH"):
		return "the server is there and refuses user and password: see TOCSIN_REDIS_URL"
	case strings.HasPrefix(text, "NOPERM"):
		return "this user may not even PING: see deploy/redis/users.acl"
	case unknown:
		return "its certificate is of an authority that is not known here: name its file in TOCSIN_REDIS_CA"
	case strings.Contains(text, "first record does not look like a TLS handshake"):
		return "the server speaks no TLS: the URL begins with redis://"
	case errors.Is(err, context.DeadlineExceeded):
		return "it does not answer in time: is TOCSIN_REDIS_URL right, and is TLS expected (rediss://)?"
	}
	return "is TOCSIN_REDIS_URL right, and is the server up?"
}

// infoOf reads one section of INFO as fields.
func infoOf(ctx context.Context, client redis.UniversalClient, section string) (map[string]string, error) {
	text, err := client.Info(ctx, section).Result()
	fields := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, found := strings.Cut(strings.TrimSpace(line), ":"); found {
			fields[name] = value
		}
	}
	return fields, err
}

// checkPersistence looks for an append-only file: without one a crash of Redis
// forgets who is told of what.
func checkPersistence(ctx context.Context, client redis.UniversalClient) finding {
	const check = "Redis persistence"
	info, err := infoOf(ctx, client, "persistence")
	switch {
	case err != nil:
		return finding{check, stateWarning, "cannot be read: " + err.Error()}
	case info["aof_enabled"] != "1":
		return finding{check, stateWarning, "no append-only file: a crash loses preferences; set appendonly yes"}
	case info["aof_last_write_status"] != "ok" || info["aof_last_bgrewrite_status"] != "ok":
		return finding{check, stateWrong, "the append-only file cannot be written: is its disk full?"}
	}
	return finding{check, stateOK, "append-only file"}
}

func checkEviction(ctx context.Context, client redis.UniversalClient) finding {
	const check = "Redis eviction"
	settings, err := client.ConfigGet(ctx, "maxmemory-policy").Result()
	if err != nil {
		return finding{check, stateWarning, "cannot be read: " + err.Error()}
	}
	if policy := settings["maxmemory-policy"]; policy != "noeviction" {
		return finding{check, stateWrong, fmt.Sprintf("maxmemory-policy is %q: Redis may drop preferences; set noeviction", policy)}
	}
	return finding{check, stateOK, "nothing is evicted"}
}

// checkMemory tells before Redis refuses to write.
func checkMemory(ctx context.Context, client redis.UniversalClient) finding {
	const check, fullAt = "Redis memory", 0.8
	info, err := infoOf(ctx, client, "memory")
	if err != nil {
		return finding{check, stateWarning, "cannot be read: " + err.Error()}
	}
	used, _ := strconv.ParseFloat(info["used_memory"], 64)
	most, _ := strconv.ParseFloat(info["maxmemory"], 64)
	if most > 0 && used > fullAt*most {
		return finding{check, stateWrong, fmt.Sprintf("%.0f %% of maxmemory is used; past it nothing can be saved and no event routed: raise maxmemory", 100*used/most)}
	}
	return finding{check, stateOK, "there is room"}
}

// checkRole finds a replica: it answers, and refuses every change.
func checkRole(ctx context.Context, client redis.UniversalClient) finding {
	const check = "Redis role"
	info, err := infoOf(ctx, client, "replication")
	switch {
	case err != nil:
		return finding{check, stateWarning, "cannot be read: " + err.Error()}
	case info["role"] == "slave":
		return finding{check, stateWrong, "this is a replica, which takes no changes: name the master in TOCSIN_REDIS_URL, or the sentinels that know it"}
	}
	return finding{check, stateOK, "takes changes"}
}

// samples is how many users' credentials are tried.
const samples = 20

// checkSecrets tries to decrypt some saved credentials.
func (c *doctorCmd) checkSecrets(ctx context.Context, client redis.UniversalClient) []finding {
	keys, err := prefs.ParseKeys(c.Prefs.SecretsKey)
	if err != nil {
		return nil // said already
	}
	store := prefs.NewStore(client, keys)
	found, _, err := client.Scan(ctx, 0, "tocsin:user:{*}:targets", 10*samples).Result()
	if err != nil {
		return []finding{{"saved credentials", stateWarning, "cannot be read: " + err.Error()}}
	}
	tried := 0
	for _, key := range found[:min(len(found), samples)] {
		user := strings.TrimSuffix(strings.TrimPrefix(key, "tocsin:user:{"), "}:targets")
		targets, err := store.Targets(ctx, user)
		if err != nil {
			continue // deleted meanwhile
		}
		for _, target := range targets {
			tried++
			if target.Err != nil {
				return []finding{{"saved credentials", stateWrong, fmt.Sprintf(
					"those of user %s for %s cannot be opened with this key: name the key that they were saved with in TOCSIN_SECRETS_KEY, after the new one", user, target.Channel)}}
			}
		}
	}
	if tried == 0 {
		return nil
	}
	return []finding{{"saved credentials", stateOK, "can be opened"}}
}
