package servertest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"
)

// NATSCluster is a number of nats-servers that keep streams together, each a
// process that a test may kill.
type NATSCluster struct {
	Nodes []*NATSNode

	t testing.TB
}

// NATSNode is one of them. The servers know it by its name.
type NATSNode struct {
	*NATSProcess
	Name string

	monitor string // host and port of its health and figures
	routes  string // host and port for the other nodes
}

// StartNATSCluster starts n servers on free ports of 127.0.0.1 and returns when
// they have a leader. Clients know those addresses only that they are given. via
// tells at which address one node finds another, which listens at routes; nil:
// there.
func StartNATSCluster(t testing.TB, n int, via func(from, to int, routes string) string) *NATSCluster {
	t.Helper()
	program, err := natsServer()
	if err != nil {
		t.Fatal(err)
	}
	if via == nil {
		via = func(_, _ int, routes string) string { return routes }
	}
	var said string
	for range portTries {
		c := newNATSCluster(t, program, n, via)
		if said = c.launch(); said == "" {
			c.AwaitHealth()
			return c
		}
	}
	t.Fatalf("start a cluster of nats-servers: %s", said)
	return nil
}

func newNATSCluster(t testing.TB, program string, n int, via func(from, to int, routes string) string) *NATSCluster {
	t.Helper()
	c := &NATSCluster{t: t}
	for i := range n {
		node := &NATSNode{Name: fmt.Sprint("nats-", i), monitor: freeAddress(t), routes: freeAddress(t)}
		node.NATSProcess = newNATSProcess(t, program, t.TempDir(), "")
		c.Nodes = append(c.Nodes, node)
	}
	for from, node := range c.Nodes {
		var others []string
		for to, other := range c.Nodes {
			if to != from {
				others = append(others, "nats://"+via(from, to, other.routes))
			}
		}
		node.more = fmt.Sprintf(clusterConfig, node.Name, node.monitor, node.routes, strings.Join(others, `", "`))
		node.Limit()
	}
	return c
}

// Nodes tell each other where they have met a third. As "advertise" is an
// address where nobody is, they have the routes alone that they are given.
const clusterConfig = `server_name: %s
http: "%s"
cluster {
  name: test
  listen: "%s"
  routes: ["%s"]
  no_advertise: true
  advertise: "127.0.0.1:1"
}
`

func (c *NATSCluster) launch() (said string) {
	for _, node := range c.Nodes {
		if said = node.launch(); said != "" {
			break
		}
	}
	if said != "" {
		for _, node := range c.Nodes {
			node.Stop()
		}
	}
	return said
}

// URL is a list of all nodes.
func (c *NATSCluster) URL() string {
	var urls []string
	for _, node := range c.Nodes {
		urls = append(urls, node.URL())
	}
	return strings.Join(urls, ",")
}

// Node is the one of a name.
func (c *NATSCluster) Node(name string) *NATSNode {
	c.t.Helper()
	i := slices.IndexFunc(c.Nodes, func(n *NATSNode) bool { return n.Name == name })
	require.GreaterOrEqual(c.t, i, 0, "no node is called %q", name)
	return c.Nodes[i]
}

// catchUp is how long a node may take until it has all that it missed.
const catchUp = time.Minute

// AwaitHealth returns when every node says that all it keeps is current.
func (c *NATSCluster) AwaitHealth() {
	c.t.Helper()
	for _, node := range c.Nodes {
		require.Eventually(c.t, node.healthy, catchUp, 50*time.Millisecond, "%s does not catch up: %s", node.Name, node.said)
	}
}

// healthy asks as an orchestrator does that restarts one node after the other.
func (n *NATSNode) healthy() bool {
	status, _ := n.get("/healthz", nil)
	return status == http.StatusOK
}

// MetaLeader is the node that decides where streams are kept, as the cluster
// says once it agrees on one.
func (c *NATSCluster) MetaLeader() *NATSNode {
	c.t.Helper()
	var leader string
	require.Eventually(c.t, func() bool {
		var info server.JSInfo
		if _, err := c.Nodes[0].get("/jsz", &info); err == nil && info.Meta != nil {
			leader = info.Meta.Leader
		}
		return leader != ""
	}, catchUp, 50*time.Millisecond, "the cluster has no leader")
	return c.Node(leader)
}

func (n *NATSNode) get(path string, into any) (status int, err error) {
	request, err := http.NewRequestWithContext(n.t.Context(), http.MethodGet, "http://"+n.monitor+path, http.NoBody)
	if err != nil {
		return 0, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	if into != nil {
		err = json.NewDecoder(answer.Body).Decode(into)
	}
	return answer.StatusCode, err
}
