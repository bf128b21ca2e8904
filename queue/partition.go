package queue

import (
	"hash/fnv"
	"strconv"

	"tocsin/schema"
)

// MaxPartitions bounds how many streams hold first attempts. A worker has two
// consumers of each for every channel, and asks each of them once a second while
// there is nothing to do.
const MaxPartitions = 64

// partition is one of the streams that hold first attempts, counted from 0. All
// of an account's are in the same. One stream has one leader in a cluster of NATS
// servers, which writes what all workers store: several have several.
//
// The first is the stream and the subjects of the contract, so that a process
// that knows of no others still finds its deliveries carried.
type partition int

func partitions(n int) []partition {
	all := make([]partition, max(n, 1))
	for i := range all {
		all[i] = partition(i)
	}
	return all
}

// partitionOf is where an account's deliveries wait for their first attempt.
func (q *Queue) partitionOf(account string) partition {
	h := fnv.New32a()
	_, _ = h.Write([]byte(account))                          // it never fails
	return q.partitions[h.Sum32()%uint32(len(q.partitions))] //nolint:gosec // at most MaxPartitions
}

func (p partition) stream() string {
	if p == 0 {
		return DeliveryStream
	}
	return DeliveryStream + "_" + strconv.Itoa(int(p))
}

// prefix is what its subjects begin with.
func (p partition) prefix() string {
	if p == 0 {
		return schema.DeliverySubject("")
	}
	return furtherPartitions + strconv.Itoa(int(p)) + "."
}

// furtherPartitions is what the subjects of all but the first begin with.
const furtherPartitions = "tocsin.partitions."

// first holds the first attempts of a channel.
func (p partition) first(channel string) string { return p.prefix() + channel }

// crowd holds the first attempts, or the events, of accounts that have more of
// them than their share.
func (p partition) crowd(channel string) string { return p.prefix() + "crowd." + channel }

// share is how many of a channel's slots are this partition's: the same for each,
// and together as many as asked for, or up to one less than there are partitions
// more.
func (q *Queue) share(slots int) int { return (slots + len(q.partitions) - 1) / len(q.partitions) }

// eventsCrowd holds events that wait apart from those of other accounts.
func eventsCrowd() string { return partition(0).crowd(events) }
