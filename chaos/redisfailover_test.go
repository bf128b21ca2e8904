package chaos

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"tocsin/prefs"
	"tocsin/schema"
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
		{name: "Redis Cluster: slots move from one master to another", does: moveSlots, with: with},
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

// moveSlots moves a third of the first master's slots to the second and back.
func moveSlots(s *site) {
	const moved = 16384 / 3 / 3
	s.group.MoveSlots(s.group.Servers[0], s.group.Servers[1], 0, moved-1)
	s.group.MoveSlots(s.group.Servers[1], s.group.Servers[0], 0, moved-1)
	s.group.AwaitWhole()
}

// freezeLonelyMaster is a third of the keys out of reach for a while.
func freezeLonelyMaster(s *site) {
	s.group.AwaitReplicated()
	frozen := s.group.Servers[0]
	s.group.Servers[3].Stop()
	frozen.Pause()
	began := time.Now()
	time.Sleep(10 * time.Second)
	ended := time.Now()
	frozen.Resume()
	s.group.Servers[3].Start()
	s.group.AwaitWhole()
	s.reportOthers(began, ended)
}

// reportOthers says how long deliveries took meanwhile that need nothing of the
// cluster's first third: their event, account and all its members are on other
// masters.
func (s *site) reportOthers(began, ended time.Time) {
	elsewhere := s.elsewhere()
	e := s.evidence()
	_, accepted := s.far.accepted()
	var took []time.Duration
	expected := 0
	for _, p := range s.load.soFar() {
		if p.at.Before(began) || p.at.After(ended.Add(-3*time.Second)) || !elsewhere(keysOf(p.event)...) {
			continue
		}
		for _, m := range membersOf(p.event.Account) {
			if m.endpoint != "ok" && m.endpoint != "" {
				continue // fails now and then by itself
			}
			expected += len(m.wanted(p.event.Type))
			for _, d := range e.deliveries(e.plans[[2]string{p.event.ID, m.user}]) {
				if at, arrived := accepted[d.ID]; arrived && at.Before(ended) {
					took = append(took, at.Sub(p.at))
				}
			}
		}
	}
	slices.Sort(took)
	s.t.Logf("while a master was frozen, %d of %d deliveries on other masters arrived", len(took), expected)
	if n := len(took); n > 0 {
		s.t.Logf("half of them within %s, 95 %% within %s, all within %s", took[n/2], took[n*95/100], took[n-1])
	}
}

func keysOf(e schema.Event) []string {
	keys := []string{eventKey(e), "{" + e.Account + "}"}
	for _, m := range membersOf(e.Account) {
		keys = append(keys, "{"+m.user+"}")
	}
	return keys
}

// elsewhere reports whether none of some keys is on the cluster's first master.
func (s *site) elsewhere() func(keys ...string) bool {
	client := redis.NewClient(&redis.Options{Addr: s.group.Servers[1].Address()})
	s.t.Cleanup(func() { _ = client.Close() })
	return func(keys ...string) bool {
		return !slices.ContainsFunc(keys, func(key string) bool {
			slot, err := client.ClusterKeySlot(s.t.Context(), key).Result()
			require.NoError(s.t, err)
			return slot < 16384/3
		})
	}
}

// eventKey is what prefs keeps the claim of an event under (see claimsUnder).
func eventKey(e schema.Event) string {
	var text []byte
	for _, field := range [...]string{e.Source, e.ID} {
		text = binary.BigEndian.AppendUint64(text, uint64(len(field)))
		text = append(text, field...)
	}
	digest := sha256.Sum256(text)
	return "tocsin:event:" + hex.EncodeToString(digest[:16])
}

// claimsUnder sees that an event is claimed under a key.
func (s *site) claimsUnder(e schema.Event, key string) {
	s.t.Helper()
	_, err := s.store.Claim(s.t.Context(), e, 1)
	require.NoError(s.t, err)
	client, err := prefs.Open(s.workersRedis())
	require.NoError(s.t, err)
	defer client.Close()
	require.Equal(s.t, int64(1), client.Exists(s.t.Context(), key).Val(), key)
}

// What asks a master that answers does not wait for what asks one that is frozen.
func TestBatchesWhileAMasterOfAClusterIsFrozen(t *testing.T) {
	if !*full {
		t.Skip("with -full: it takes a minute")
	}
	for _, stuck := range []int{16, 64} {
		t.Run(fmt.Sprint(stuck), func(t *testing.T) {
			t.Parallel()
			measureBatches(t, stuck)
		})
	}
}

// measureBatches has so many goroutines ask the frozen master, and others the
// masters that answer.
func measureBatches(t *testing.T, stuck int) {
	t.Helper()
	s := newSite(t, *seed, withRedisCluster)
	s.group.AwaitReplicated()
	elsewhere := s.elsewhere()
	here := map[bool][]schema.Event{}
	for n := range 2000 {
		e := schema.Event{Source: source, ID: fmt.Sprint("asked-", n)}
		other := elsewhere(eventKey(e))
		if n == 0 { // or what is measured below would be something else
			s.claimsUnder(e, eventKey(e))
		}
		here[other] = append(here[other], e)
	}
	s.group.Servers[3].Stop()
	s.group.Servers[0].Pause()
	defer s.group.Servers[0].Resume()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var asking sync.WaitGroup
	var mu sync.Mutex
	var took []time.Duration
	for i := range stuck {
		asking.Go(func() {
			for ctx.Err() == nil {
				_, _ = s.store.Claim(ctx, here[false][i], 1)
			}
		})
	}
	for i := range 16 {
		asking.Go(func() {
			for n := i; ctx.Err() == nil; n += 16 {
				began := time.Now()
				_, err := s.store.Claim(ctx, here[true][n%len(here[true])], 1)
				mu.Lock()
				took = append(took, time.Since(began))
				mu.Unlock()
				if err != nil {
					t.Log(err)
				}
				time.Sleep(10 * time.Millisecond) // a rate, not as fast as it goes
			}
		})
	}
	asking.Wait()
	slices.Sort(took)
	n := len(took)
	t.Logf("%d questions to other masters: half within %s, 95 %% within %s, all within %s", n, took[n/2], took[n*95/100], took[n-1])
	require.Less(t, took[n*95/100], time.Second, "a frozen master holds up the others")
}
