package servertest

import (
	"context"
	"net"

	"github.com/redis/go-redis/v9"
)

// MoveSlots moves slots of a cluster from the master that has them to another,
// key by key, as redis-cli --cluster reshard does while clients work. No slot
// waits in between for longer than its keys take.
func (g *RedisGroup) MoveSlots(from, to *RedisServer, first, last int) {
	g.t.Helper()
	source, target := redis.NewClient(&redis.Options{Addr: from.Address()}), redis.NewClient(&redis.Options{Addr: to.Address()})
	defer source.Close()
	defer target.Close()
	fromID, toID := g.ID(from), g.ID(to)
	for slot := first; slot <= last; slot++ {
		g.say(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", fromID)
		g.say(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", toID)
		g.moveKeys(source, slot, to.Address())
		g.say(target, "CLUSTER", "SETSLOT", slot, "NODE", toID)
		g.say(source, "CLUSTER", "SETSLOT", slot, "NODE", toID)
	}
}

// moveKeys moves a few keys at a time: those of a slot that is half moved are
// asked for again (TRYAGAIN) by whoever needs several of them.
func (g *RedisGroup) moveKeys(source *redis.Client, slot int, to string) {
	g.t.Helper()
	host, port, _ := net.SplitHostPort(to)
	for {
		keys, err := source.ClusterGetKeysInSlot(context.Background(), slot, 3).Result()
		if err != nil {
			g.t.Fatalf("list the keys of slot %d: %v", slot, err)
		}
		if len(keys) == 0 {
			return
		}
		words := []any{"MIGRATE", host, port, "", 0, 5000, "KEYS"}
		for _, key := range keys {
			words = append(words, key)
		}
		g.say(source, words...)
	}
}

func (g *RedisGroup) say(client *redis.Client, words ...any) {
	g.t.Helper()
	if err := client.Do(context.Background(), words...).Err(); err != nil {
		g.t.Fatalf("%v: %v", words, err)
	}
}
