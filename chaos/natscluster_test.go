package chaos

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tocsin/queue"
	"tocsin/servertest"
)

// natsClusterFaults are what happens to three nats-servers that keep every
// stream three times, and to the network between them.
func natsClusterFaults() []fault {
	faults := []fault{
		{name: "leaders are killed", does: killLeaders},
		{name: "each node is killed in turn", does: killNodes},
		{name: "a node is cut off from the others", does: isolate(mood{refuse: true})},
		{name: "half-open between a node and the others", does: isolate(mood{halfOpen: true})},
		{name: "a rolling restart", does: roll},
		{name: "two nodes are lost", does: loseNodes(2)},
		{name: "all nodes are lost", does: loseNodes(3)},
		{name: "a worker dies between routing and ack, and nodes restart", does: rolledAfter("before ack: done")},
		{name: "a worker dies in a fan-out to 10,000, and nodes restart", does: rolledInLargeFanOut, most: aChunk},
	}
	for i := range faults {
		faults[i].with = []func(*site){withNATSCluster}
	}
	return faults
}

func TestEveryFaultOfANATSCluster(t *testing.T) { runEach(t, natsClusterFaults()) }

// withNATSCluster starts nodes that reach each other, and are reached by the
// fleet, through proxies alone: nets has one for the clients of each, by its
// name, and one for each way between two; see between.
func withNATSCluster(s *site) {
	s.t.Helper()
	s.cluster = servertest.StartNATSCluster(s.t, 3, func(from, to int, routes string) string {
		way := newProxy(s.t, routes)
		s.nets[between(fmt.Sprint("nats-", from), fmt.Sprint("nats-", to))] = way
		return way.address()
	})
	var urls []string
	for _, node := range s.cluster.Nodes {
		s.nets[node.Name] = newProxy(s.t, node.Address())
		urls = append(urls, "nats://"+s.nets[node.Name].address())
	}
	s.fleetNATS = strings.Join(urls, ",")
}

func between(from, to string) string { return from + " to " + to }

func (s *site) natsServers() map[string]*servertest.NATSProcess {
	if s.cluster == nil {
		return map[string]*servertest.NATSProcess{"nats-server": s.nats}
	}
	servers := map[string]*servertest.NATSProcess{}
	for _, node := range s.cluster.Nodes {
		servers[node.Name] = node.NATSProcess
	}
	return servers
}

// killLeaders kills who leads at the moment: the deliveries, the events, and the
// cluster itself.
func killLeaders(s *site) {
	for _, leader := range []func() *servertest.NATSNode{
		func() *servertest.NATSNode { return s.leaderOf(queue.DeliveryStream) },
		s.cluster.MetaLeader,
		func() *servertest.NATSNode { return s.leaderOf(queue.EventStream) },
	} {
		s.killNode(leader())
	}
}

func killNodes(s *site) {
	for _, node := range s.cluster.Nodes {
		s.killNode(node)
	}
}

// killNode is away for a time in which the others may, or may not, have chosen
// another leader.
func (s *site) killNode(node *servertest.NATSNode) {
	node.Stop()
	s.pause(12 * time.Second)
	node.Start()
	s.cluster.AwaitHealth()
}

func (s *site) leaderOf(stream string) *servertest.NATSNode {
	s.t.Helper()
	js := servertest.JetStream(s.t, s.natsURL())
	name := ""
	require.Eventually(s.t, func() bool {
		handle, err := js.Stream(s.t.Context(), stream)
		if err == nil {
			name = handle.CachedInfo().Cluster.Leader
		}
		return name != ""
	}, time.Minute, 50*time.Millisecond, "nobody leads %s", stream)
	return s.cluster.Node(name)
}

// isolate does something to the network between the leader of the deliveries and
// the other nodes, while the whole fleet is connected to that leader. It answers
// still, and can do nothing: the fleet has to find the others.
func isolate(m mood) func(s *site) {
	return func(s *site) {
		lonely := s.leaderOf(queue.DeliveryStream)
		s.gatherAt(lonely)
		ways := s.waysOf(lonely)
		for _, way := range ways {
			way.become(m)
			if m.refuse {
				way.cut()
			}
		}
		require.Eventually(s.t, func() bool { return s.nets[lonely.Name].carries() == 0 }, time.Minute, 100*time.Millisecond,
			"the fleet stays where there is no leader")
		before := s.far.log.Last()
		require.Eventually(s.t, func() bool { return s.far.log.Last() > before }, time.Minute, 100*time.Millisecond,
			"nothing is delivered by way of those who have one")
		for _, way := range ways {
			way.become(mood{})
		}
		s.cluster.AwaitHealth()
	}
}

func (s *site) waysOf(node *servertest.NATSNode) (ways []*proxy) {
	for _, other := range s.cluster.Nodes {
		if other != node {
			ways = append(ways, s.nets[between(node.Name, other.Name)], s.nets[between(other.Name, node.Name)])
		}
	}
	return ways
}

// gatherAt makes every worker connect to one node.
func (s *site) gatherAt(node *servertest.NATSNode) {
	s.t.Helper()
	for _, other := range s.cluster.Nodes {
		if other != node {
			s.nets[other.Name].become(mood{refuse: true})
			s.nets[other.Name].cut()
		}
	}
	require.Eventually(s.t, func() bool { return s.nets[node.Name].carries() >= len(s.workers) }, time.Minute, 50*time.Millisecond)
	for _, other := range s.cluster.Nodes {
		s.nets[other.Name].become(mood{})
	}
}

// roll restarts one node after the other, each when all before it have what they
// missed, as an upgrade does.
func roll(s *site) {
	for _, node := range s.cluster.Nodes {
		require.Zero(s.t, node.Terminate(), node.Name)
		node.Start()
		s.cluster.AwaitHealth()
	}
}

// loseNodes kills so many that those left cannot agree on anything.
func loseNodes(n int) func(s *site) {
	return func(s *site) {
		lost := s.cluster.Nodes[:n]
		for _, node := range lost {
			node.Stop()
		}
		time.Sleep(10 * time.Second)
		for _, node := range lost {
			node.Start()
		}
		s.cluster.AwaitHealth()
	}
}

// rolledAfter is a worker that dies at a point, and a rolling restart before its
// messages are handed out again: nodes that were restarted know the ids of those
// messages alone that are still there, and would store the others once more.
func rolledAfter(point string) func(s *site) {
	return func(s *site) {
		s.dieAt(point, 1+s.chance.IntN(3))
		s.startWorker()
		roll(s)
	}
}

// rolledInLargeFanOut begins the restart when all that was stored of the fan-out
// has arrived, so that no node knows of it any more.
func rolledInLargeFanOut(s *site) {
	const chunks = 2
	s.dieInLargeFanOut(chunks)
	stored := chunks * largeSize / chunksOfLarge
	require.Eventually(s.t, func() bool { return s.arrivedAtLarge() >= stored }, time.Minute, 100*time.Millisecond)
	roll(s)
}

// aChunk is how many may have been stored when the worker died without its having
// noted so: half of those that had arrived.
func aChunk(s *site) int { return s.flying + largeSize/chunksOfLarge }

func (s *site) arrivedAtLarge() (n int) {
	received, _ := s.far.log.Since(0)
	for _, r := range received {
		if strings.HasPrefix(r.To, "/ok/"+largeAccount+"-") {
			n++
		}
	}
	return n
}
