package deploy

import (
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"tocsin/prefs"
	"tocsin/servertest"
)

// What each user of Redis may run. Scripts are held against the same rules,
// whatever keys they name.
func TestUsersOfRedisMayDoTheirPartAlone(t *testing.T) {
	t.Parallel()
	type rules struct{ may, mayNot []string }
	g := servertest.StartGuarded(t, 1)
	for user, rules := range map[string]rules{
		"worker": {
			may: []string{
				"PING", "GET tocsin:user:{ada}:profile", "HGETALL tocsin:user:{ada}:prefs", "HGET tocsin:user:{ada}:targets webhook/main",
				"SSCAN tocsin:account:{acme}:members 0", "SISMEMBER tocsin:user:{ada}:accounts acme",
				"HSET tocsin:user:{ada}:health webhook/main {}", "HSET tocsin:user:{ada}:prefs target/webhook/main off",
				"SET tocsin:event:abc 1 PX 1000", "ZADD tocsin:pace:{x}:waiting 1 d1", "HSET tocsin:breaker:{hosts}:states h {}",
				"EVAL return(redis.call('GET',KEYS[1])) 1 tocsin:user:{ada}:profile",
			},
			mayNot: []string{
				"SET tocsin:user:{ada}:profile {}", "DEL tocsin:user:{ada}:profile", "HSET tocsin:user:{ada}:targets webhook/main evil",
				"SADD tocsin:account:{acme}:members eve", "SADD tocsin:user:{eve}:accounts acme", "SET tocsin:link:abc x",
				"DEL tocsin:user:{ada}:prefs", "DEL tocsin:event:abc",
				"EVAL return(redis.call('SET',KEYS[1],'{}')) 1 tocsin:user:{ada}:profile",
				"EVAL return(redis.call('HSET',KEYS[1],'webhook/main','evil')) 1 tocsin:user:{ada}:targets",
				"GET other", "SET other x", "KEYS *", "SCAN 0", "FLUSHALL", "FLUSHDB", "CONFIG GET *", "CONFIG SET maxmemory 1", "INFO",
				"CLIENT LIST", "CLIENT KILL TYPE normal", "MONITOR", "SHUTDOWN", "SAVE", "ACL LIST", "SUBSCRIBE c", "PUBLISH c m",
				"RENAME tocsin:event:a tocsin:event:b", "SCRIPT FLUSH", "FUNCTION LIST", "MODULE LIST", "REPLICAOF 127.0.0.1 1",
			},
		},
		"web": {
			may: []string{
				"PING", "SET tocsin:user:{ada}:profile {}", "HSET tocsin:user:{ada}:targets webhook/main sealed", "DEL tocsin:user:{ada}:prefs",
				"SADD tocsin:account:{acme}:members ada", "SREM tocsin:account:{acme}:members ada", "WATCH tocsin:user:{ada}:profile", "UNWATCH",
				"SET tocsin:link:abc x NX PX 1000", "INCR tocsin:quota:mails", "HGET tocsin:breaker:{hosts}:states h",
				"ZCOUNT tocsin:breaker:{index}:webhook:open 0 +inf", "ZREVRANGEBYSCORE tocsin:breaker:{index}:webhook:open +inf 0 LIMIT 0 9",
				"EVAL return(redis.call('SET',KEYS[1],'{}')) 1 tocsin:user:{ada}:profile",
			},
			mayNot: []string{
				"SET tocsin:event:abc 1", "HSET tocsin:breaker:{hosts}:states h {}", "ZADD tocsin:pace:{x}:waiting 1 d1",
				"EVAL return(redis.call('HSET',KEYS[1],'h','x')) 1 tocsin:breaker:{hosts}:states",
				"GET other", "SET other x", "KEYS *", "SCAN 0", "FLUSHALL", "FLUSHDB", "CONFIG GET *", "INFO", "CLIENT LIST", "MONITOR", "SHUTDOWN",
				"ACL LIST", "SUBSCRIBE c", "SCRIPT FLUSH", "REPLICAOF 127.0.0.1 1",
			},
		},
		"operator": {
			may: []string{
				"PING", "INFO persistence", "CONFIG GET maxmemory-policy", "SCAN 0", "KEYS tocsin:*", "SET tocsin:user:{ada}:profile {}",
				"DEL tocsin:user:{ada}:targets", "HGETALL tocsin:user:{ada}:targets",
			},
			mayNot: []string{
				"GET other", "FLUSHALL", "FLUSHDB", "CONFIG SET maxmemory 1", "SHUTDOWN", "ACL SETUSER x", "MONITOR",
				"REPLICAOF 127.0.0.1 1", "MODULE LIST",
			},
		},
	} {
		t.Run(user, func(t *testing.T) {
			t.Parallel()
			client := open(t, g, g.RedisURL(user))
			for _, command := range rules.may {
				if err := run(t, client, command); err != nil && err != redis.Nil { //nolint:errorlint // the answer "nothing there"
					require.NoError(t, err, command)
				}
			}
			for _, command := range rules.mayNot {
				err := run(t, client, command)
				require.Error(t, err, command)
				require.Regexp(t, "NOPERM|can't access at least one of the keys|can't run this command", err.Error(), command)
			}
		})
	}
}

func TestNobodyEntersRedisWithoutAPassword(t *testing.T) {
	t.Parallel()
	g := servertest.StartGuarded(t, 1)
	require.ErrorContains(t, open(t, g, g.Redis.URL()).Get(t.Context(), "tocsin:user:{ada}:profile").Err(), "NOAUTH")
	wrong := strings.Replace(g.RedisURL("worker"), "worker:", "worker:x", 1)
	require.ErrorContains(t, open(t, g, wrong).Get(t.Context(), "tocsin:user:{ada}:profile").Err(), "WRONGPASS")
}

func open(t *testing.T, g *servertest.Guarded, url string) redis.UniversalClient {
	t.Helper()
	cert, key := g.Issue("client")
	client, err := prefs.OpenTLS(url+"?pool_size=1&max_retries=-1", prefs.Certificates{CA: g.CA, Cert: cert, Key: key})
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func run(t *testing.T, client redis.UniversalClient, command string) error {
	t.Helper()
	var args []any
	for arg := range strings.FieldsSeq(command) {
		args = append(args, arg)
	}
	return client.Do(t.Context(), args...).Err()
}
