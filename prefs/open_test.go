package prefs_test

import (
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"tocsin/prefs"
)

func TestOpenOneServer(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		addr     string
		database int
		user     string
		password string
		tls      string // server name
	}{
		"redis://127.0.0.1:6379/0":               {addr: "127.0.0.1:6379"},
		"redis://redis":                          {addr: "redis:6379"},
		"redis://[::1]:7000/3":                   {addr: "[::1]:7000", database: 3},
		"redis://ada:p%40ss%2Fw@redis:6379/1":    {addr: "redis:6379", database: 1, user: "ada", password: "p@ss/w"},
		"rediss://:secret@redis.example.com":     {addr: "redis.example.com:6379", password: "secret", tls: "redis.example.com"},
		"redis://redis/2?read_timeout=2s":        {addr: "redis:6379", database: 2},
		"redis://redis:6379?pool_size=50&db=4":   {addr: "redis:6379", database: 4},
		"rediss://redis:6380/0?skip_verify=true": {addr: "redis:6380", tls: "redis"},
	}
	for url, want := range tests {
		t.Run(url, func(t *testing.T) {
			t.Parallel()
			client, ok := open(t, url).(*redis.Client)
			require.True(t, ok)
			o := client.Options()
			require.Equal(t, want.addr, o.Addr)
			require.Equal(t, want.database, o.DB)
			require.Equal(t, want.user, o.Username)
			require.Equal(t, want.password, o.Password)
			require.Equal(t, want.tls != "", o.TLSConfig != nil)
			if o.TLSConfig != nil {
				require.Equal(t, want.tls, o.TLSConfig.ServerName)
			}
			require.True(t, o.ContextTimeoutEnabled)
		})
	}
}

func TestOpenCluster(t *testing.T) {
	t.Parallel()
	tests := map[string][]string{
		"redis://ada:secret@a:7000,b:7001,c:7002":     {"a:7000", "b:7001", "c:7002"},
		"redis://ada:secret@a,b/0?read_timeout=1s":    {"a:6379", "b:6379"},
		"rediss://ada:secret@a:7000,b:7000":           {"a:7000", "b:7000"},
		"redis-cluster://ada:secret@cfg.example:6379": {"cfg.example:6379"},
	}
	for url, addresses := range tests {
		t.Run(url, func(t *testing.T) {
			t.Parallel()
			client, ok := open(t, url).(*redis.ClusterClient)
			require.True(t, ok)
			require.Equal(t, addresses, client.Options().Addrs)
			require.Equal(t, "ada", client.Options().Username)
			require.Equal(t, "secret", client.Options().Password)
			if client.Options().TLSConfig != nil {
				require.Empty(t, client.Options().TLSConfig.ServerName, "each node is checked against its own name")
			}
		})
	}
}

func TestOpenSentinel(t *testing.T) {
	t.Parallel()
	client, ok := open(t, "redis-sentinel://127.0.0.1:1,127.0.0.1:2/2?master=main&password=secret&max_retries=-1&dialer_retries=1").(*redis.Client)
	require.True(t, ok)
	require.Equal(t, 2, client.Options().DB)
	require.Equal(t, "secret", client.Options().Password)
	err := client.Ping(t.Context()).Err()
	require.True(t, prefs.Unavailable(err), "%v", err)
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	const form = "it must look like redis://user:password@host:port/0"
	tests := map[string]string{
		"":                                  form,
		"127.0.0.1:6379":                    form,
		"http://redis:6379":                 form,
		"redis://":                          form,
		"redis://a,,b":                      form,
		"redis://:hunter2#x@redis":          form,
		"redis://:hunter2/x@redis:6379":     form,
		"redis://ada/hunter2@redis":         form,
		"redis://:hunter2%zz@redis":         form,
		"redis://redis:port":                form,
		"redis://:hunter2@redis?color=blue": "unexpected option: color",
		"redis://:hunter2@redis/?read_timeout=soon": "read_timeout",
		"redis://:hunter2@a,b/3":                    "a cluster has database 0 only",
		"redis-sentinel://:hunter2@a,b":             "needs the parameter master",
	}
	for url, want := range tests {
		t.Run(url, func(t *testing.T) {
			t.Parallel()
			_, err := prefs.Open(url)
			require.ErrorContains(t, err, want)
			require.NotContains(t, err.Error(), "hunter2")
		})
	}
}
