package chaos

import (
	"testing"
	"time"

	"tocsin/servertest"
)

// A Redis that fails over: replication is asynchronous, so the new master may
// not know of the last writes. An event whose claim is forgotten can be routed
// again under the same ids; duplicates are counted, and nothing is lost.

func withSentinels(s *site)    { s.group = servertest.StartSentinels(s.t) }
func withRedisCluster(s *site) { s.group = servertest.StartRedisCluster(s.t) }

func sentinelFaults() []fault {
	with := []func(*site){withSentinels}
	return []fault{
		{name: "Sentinel: the master is killed", does: killMaster, with: with},
		{name: "Sentinel: the master is frozen, and thawed after a failover", does: freezeMaster, with: with},
		{name: "Sentinel: failovers by command", does: failOverByCommand, with: with},
		{name: "Sentinel: the sentinels are killed, then the master", does: killSentinels, with: with},
	}
}

func redisClusterFaults() []fault {
	with := []func(*site){withRedisCluster}
	return []fault{
		{name: "Redis Cluster: a master is killed", does: killMaster, with: with},
		{name: "Redis Cluster: a master is frozen, and thawed after a failover", does: freezeMaster, with: with},
		{name: "Redis Cluster: all servers restart in turn", does: restartInTurn, with: with},
		{name: "Redis Cluster: a master without a replica is frozen", does: freezeLonelyMaster, with: with},
	}
}

func TestEveryFaultOfRedisWithSentinels(t *testing.T) { runEach(t, sentinelFaults()) }
func TestEveryFaultOfARedisCluster(t *testing.T)      { runEach(t, redisClusterFaults()) }

// aMaster is one of the group's masters, all of which are returned with it.
// What was chosen before the fault is safe: that the last choices may be lost is
// a promise that is not made.
func (s *site) aMaster() (victim *servertest.RedisServer, masters []*servertest.RedisServer) {
	s.pause(time.Second)
	s.group.AwaitReplicated()
	masters = s.group.Masters()
	return masters[s.chance.IntN(len(masters))], masters
}

// killMaster kills a master, and starts it again when another has its place.
func killMaster(s *site) {
	victim, masters := s.aMaster()
	victim.Stop()
	s.group.AwaitPromotion(masters)
	s.pause(2 * time.Second)
	victim.Start()
	s.group.AwaitWhole()
}

// freezeMaster is a master that stands still, and afterwards believes for a
// while that it is one.
func freezeMaster(s *site) {
	victim, masters := s.aMaster()
	victim.Pause()
	s.group.AwaitPromotion(masters)
	s.pause(2 * time.Second)
	victim.Resume()
	s.group.AwaitWhole()
}

func failOverByCommand(s *site) {
	for range 3 {
		_, masters := s.aMaster()
		s.group.FailOver()
		s.group.AwaitPromotion(masters)
		s.group.AwaitWhole()
	}
}

// killSentinels leaves a dead master without anybody to promote another, until
// the sentinels are back.
func killSentinels(s *site) {
	victim, masters := s.aMaster()
	for _, sentinel := range s.group.Sentinels[1:] {
		sentinel.Stop()
	}
	victim.Stop()
	time.Sleep(6 * time.Second)
	for _, sentinel := range s.group.Sentinels[1:] {
		sentinel.Start()
	}
	s.group.AwaitPromotion(masters)
	victim.Start()
	s.group.AwaitWhole()
}

// restartInTurn is an upgrade of a cluster that gives no place away beforehand.
func restartInTurn(s *site) {
	for _, server := range s.group.Servers {
		s.group.AwaitReplicated()
		server.Stop()
		s.pause(3 * time.Second)
		server.Start()
		s.group.AwaitWhole()
	}
}

// freezeLonelyMaster is a third of the keys out of reach for a while.
func freezeLonelyMaster(s *site) {
	s.group.AwaitReplicated()
	s.group.Servers[3].Stop()
	s.group.Servers[0].Pause()
	time.Sleep(10 * time.Second)
	s.group.Servers[0].Resume()
	s.group.Servers[3].Start()
	s.group.AwaitWhole()
}
