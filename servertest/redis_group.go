package servertest

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// RedisGroup is several redis-servers of which one takes over from another: a
// master with replicas that sentinels watch, or a Redis Cluster.
type RedisGroup struct {
	Servers   []*RedisServer
	Sentinels []*RedisSentinel // none in a Redis Cluster
	t         testing.TB
	scheme    string // of the URL by which clients find the group
	query     string
}

// RedisSentinel is a redis-server that watches a master.
type RedisSentinel struct {
	*Process
	address string
}

// groupPatience is how long a group may take to agree.
const groupPatience = 30 * time.Second

// keptOnDisk makes what a server was told outlive Stop.
var keptOnDisk = []string{"--appendonly", "yes", "--appendfsync", "everysec", "--repl-diskless-sync-delay", "0"}

// masterName is what sentinels know their master by.
const masterName = "main"

// StartSentinels starts a master, two replicas and three sentinels, and returns
// when the sentinels know all of them.
func StartSentinels(t testing.TB) *RedisGroup {
	t.Helper()
	g := &RedisGroup{t: t, scheme: "redis-sentinel", query: "/0?master=" + masterName}
	master := StartRedis(t, keptOnDisk...)
	g.Servers = append(g.Servers, master)
	host, port, _ := net.SplitHostPort(master.Address())
	for range 2 {
		g.Servers = append(g.Servers, StartRedis(t, append(keptOnDisk[:len(keptOnDisk):len(keptOnDisk)], "--replicaof", host, port)...))
	}
	for range 3 {
		g.Sentinels = append(g.Sentinels, startSentinel(t, host, port))
	}
	g.await("the sentinels know everybody", func() bool {
		for _, s := range g.Sentinels {
			known := replyOf(s.address, "INFO", "sentinel")
			if !strings.Contains(known, "status=ok") || !strings.Contains(known, "slaves=2,sentinels=3") {
				return false
			}
		}
		return true
	})
	return g
}

func startSentinel(t testing.TB, host, port string) *RedisSentinel {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "sentinel.conf") // a sentinel writes down there what it learns
	var said string
	for range portTries {
		s := &RedisSentinel{address: freeAddress(t)}
		_, own, _ := net.SplitHostPort(s.address)
		config := fmt.Sprintf(`port %[1]s
bind 127.0.0.1
dir %[2]q
sentinel monitor %[3]s %[4]s %[5]s 2
sentinel down-after-milliseconds %[3]s 1500
sentinel failover-timeout %[3]s 3000
`, own, dir, masterName, host, port)
		if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		s.Process = NewProcess(t, "+monitor master", nil, "redis-server", file, "--sentinel")
		if said = s.launch(); said == "" {
			return s
		}
	}
	t.Fatalf("start a sentinel: %s", said)
	return nil
}

// FailOver asks the first sentinel for another master, as an operator does, and
// returns when it has agreed to.
func (g *RedisGroup) FailOver() {
	g.t.Helper()
	g.await("a sentinel agrees to a failover", func() bool {
		return replyOf(g.Sentinels[0].address, "SENTINEL", "FAILOVER", masterName) == "OK"
	})
}

// clusterMasters is how many of a cluster's servers are masters at first. As
// many replicas follow, in the same order.
const clusterMasters = 3

// StartRedisCluster starts a Redis Cluster of three masters with a replica each,
// and returns when all agree that it serves every slot.
func StartRedisCluster(t testing.TB) *RedisGroup {
	t.Helper()
	g := &RedisGroup{t: t, scheme: "redis-cluster"}
	buses := map[*RedisServer]string{}
	for range 2 * clusterMasters {
		_, bus, _ := net.SplitHostPort(freeAddress(t))
		s := StartRedis(t, append(keptOnDisk[:len(keptOnDisk):len(keptOnDisk)], "--cluster-enabled", "yes", "--cluster-port", bus,
			"--cluster-node-timeout", "1500", "--cluster-require-full-coverage", "no")...)
		g.Servers, buses[s] = append(g.Servers, s), bus
	}
	for i, s := range g.Servers {
		g.command(s, "CLUSTER", "SET-CONFIG-EPOCH", i+1)
		host, port, _ := net.SplitHostPort(s.Address())
		g.command(g.Servers[0], "CLUSTER", "MEET", host, port, buses[s])
		if i < clusterMasters {
			g.command(s, "CLUSTER", "ADDSLOTSRANGE", 16384*i/clusterMasters, 16384*(i+1)/clusterMasters-1)
		}
	}
	g.await("all know each other", func() bool {
		return g.all(func(s *RedisServer) bool {
			return strings.Contains(replyOf(s.Address(), "CLUSTER", "INFO"), "cluster_known_nodes:6")
		})
	})
	for i, replica := range g.Servers[clusterMasters:] {
		g.command(replica, "CLUSTER", "REPLICATE", g.ID(g.Servers[i]))
	}
	g.AwaitWhole()
	return g
}

// ID is what a server of a cluster is called in it.
func (g *RedisGroup) ID(s *RedisServer) string { return replyOf(s.Address(), "CLUSTER", "MYID") }

// URL is where clients find the group.
func (g *RedisGroup) URL() string {
	var hosts []string
	for _, s := range g.Sentinels {
		hosts = append(hosts, s.address)
	}
	if len(hosts) == 0 {
		for _, s := range g.Servers {
			hosts = append(hosts, s.Address())
		}
	}
	return g.scheme + "://" + strings.Join(hosts, ",") + g.query
}

// Masters are the servers that call themselves masters.
func (g *RedisGroup) Masters() (masters []*RedisServer) {
	for _, s := range g.Servers {
		if s.field("replication", "role") == "master" {
			masters = append(masters, s)
		}
	}
	return masters
}

// AwaitPromotion returns when a server that is not among the old masters has
// become one.
func (g *RedisGroup) AwaitPromotion(old []*RedisServer) {
	g.t.Helper()
	was := map[*RedisServer]bool{}
	for _, s := range old {
		was[s] = true
	}
	g.await("a replica is promoted", func() bool {
		for _, s := range g.Masters() {
			if !was[s] {
				return true
			}
		}
		return false
	})
}

// AwaitWhole returns when every server is a master or a replica that follows
// one, there are as many masters as at first, and a cluster serves all slots.
func (g *RedisGroup) AwaitWhole() {
	g.t.Helper()
	masters := 1
	if len(g.Sentinels) == 0 {
		masters = clusterMasters
	}
	g.await("the group is whole", func() bool {
		return len(g.Masters()) == masters && g.all(func(s *RedisServer) bool {
			follows := s.field("replication", "role") == "master" || s.field("replication", "master_link_status") == "up"
			return follows && (len(g.Sentinels) > 0 || g.servesAll(s))
		})
	})
}

func (g *RedisGroup) servesAll(s *RedisServer) bool {
	info := replyOf(s.Address(), "CLUSTER", "INFO")
	return strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_slots_ok:16384")
}

// AwaitReplicated returns when replicas have what their masters have now.
func (g *RedisGroup) AwaitReplicated() {
	g.t.Helper()
	for _, m := range g.Masters() {
		client := redis.NewClient(&redis.Options{Addr: m.Address()})
		// WAIT is for the writes of its own connection.
		var replicas *redis.IntCmd
		_, err := client.Pipelined(context.Background(), func(p redis.Pipeliner) error {
			p.Publish(context.Background(), "replicated", "")
			replicas = redis.NewIntCmd(context.Background(), "WAIT", 1, groupPatience.Milliseconds())
			return p.Process(context.Background(), replicas)
		})
		_ = client.Close()
		if err != nil || replicas.Val() < 1 {
			g.t.Fatalf("wait for the replicas of %s: %d have what it has: %v", m.Address(), replicas.Val(), err)
		}
	}
}

func (g *RedisGroup) all(holds func(*RedisServer) bool) bool {
	for _, s := range g.Servers {
		if !holds(s) {
			return false
		}
	}
	return true
}

func (g *RedisGroup) await(what string, holds func() bool) {
	g.t.Helper()
	for deadline := time.Now().Add(groupPatience); !holds(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			g.t.Fatalf("%s: not within %s", what, groupPatience)
		}
	}
}

func (g *RedisGroup) command(s *RedisServer, words ...any) {
	g.t.Helper()
	if reply := replyOf(s.Address(), words...); reply != "OK" {
		g.t.Fatalf("%v on %s: %q", words, s.Address(), reply)
	}
}

// field is what a server says about itself; empty if it does not answer.
func (s *RedisServer) field(section, name string) string {
	lines := bufio.NewScanner(strings.NewReader(replyOf(s.Address(), "INFO", section)))
	for lines.Scan() {
		if value, found := strings.CutPrefix(lines.Text(), name+":"); found {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// replyOf asks a server that may be down or frozen. It returns the error's text
// where there is no reply.
func replyOf(address string, words ...any) string {
	client := redis.NewClient(&redis.Options{Addr: address, DialTimeout: time.Second, ReadTimeout: time.Second, MaxRetries: -1})
	defer client.Close()
	reply, err := client.Do(context.Background(), words...).Text()
	if err != nil {
		return err.Error()
	}
	return reply
}
