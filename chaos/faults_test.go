package chaos

import (
	"time"

	"tocsin/servertest"
)

// faults are all that happen to a fleet at work.
func faults() []fault {
	return []fault{
		{name: "a worker is stopped (SIGTERM)", does: stopWorkers, most: none},
		{name: "a worker is killed", does: killWorkers, most: inFlight},
		{name: "a worker is frozen beyond its time", does: freezeWorker},
		{name: "nats-server is killed", does: killNATS},
		{name: "Redis is killed", does: killRedis, most: none},
		{name: "Redis is frozen", does: freezeRedis, most: none},
		diesAt("a worker dies between sending and the record", "before store: done"),
		diesAt("a worker dies between sending and parking", "before store: parked"),
		diesAt("a worker dies between parking and ack", "before ack: parked"),
		diesAt("a worker dies between dead letter and ack", "before ack: buried"),
		diesAt("a worker dies between routing and ack", "before ack: done"),
		{name: "a worker dies in a fan-out to 10,000", does: largeFanOut, most: inFlight},
		{name: "the network is slow", does: slow, most: none},
		{name: "connections are cut", does: cut},
		{name: "NATS is cut off", does: partition("nats")},
		{name: "Redis is cut off", does: partition("redis"), most: none},
		{name: "the far ends are cut off", does: partition("webhook", "ios", "email")},
		{name: "half-open to NATS", does: halfOpen("nats")},
		{name: "half-open to Redis", does: halfOpen("redis"), most: none},
		{name: "half-open to the far ends", does: halfOpen("webhook", "ios", "email")},
		{name: "NATS is reset in mid reply", does: midReply("nats")},
		{name: "Redis is reset in mid reply", does: midReply("redis"), most: none},
		{name: "the far ends are reset in mid reply", does: midReply("webhook", "ios", "email")},
		{name: "webhooks hang", does: badAnswers(hangs), most: none},
		{name: "webhooks drip", does: badAnswers(drips)},
		{name: "webhooks answer without end", does: badAnswers(endless)},
		{name: "webhooks hang up after the body", does: badAnswers(drops), most: none},
		{name: "APNs breaks TLS", does: brokenTLS},
		{name: "APNs says GOAWAY, and one stream each", does: leavingAPNs},
		{name: "the mail server says 421 and hangs up", does: leavingMail},
		{name: "an outage of NATS and Redis", does: outage},
		{name: "nats-server restarts with parked retries", does: restartWithParked},
		{name: "nats-server may store no more", does: fullServer},
		{name: "work queues are at their limits", does: fullStreams, most: none},
		{name: "the disk of nats-server is full", does: fullDisk, with: []func(*site){onSmallDisk}},
	}
}

// pause is a time that the seed decides, at most d.
func (s *site) pause(d time.Duration) { time.Sleep(time.Duration(s.chance.Int64N(int64(d)))) }

// stopWorkers replaces two workers, one after the other, as an upgrade does.
func stopWorkers(s *site) {
	for range 2 {
		s.pause(time.Second)
		old := s.anyWorker()
		s.startWorker()
		if code := old.Terminate(); code != 0 {
			s.t.Errorf("a worker that was told to stop exits with %d: %s", code, old.Said())
		}
		s.gone(old)
	}
}

// killWorkers kills three times, and starts another worker each time.
func killWorkers(s *site) {
	for range 3 {
		s.pause(time.Second)
		s.kill(s.anyWorker())
		s.startWorker()
	}
}

// kill kills a worker when there are deliveries in hand, and notes how many. It
// is frozen first, so that they can be counted.
func (s *site) kill(worker *servertest.Process) {
	held := 0
	for range 200 {
		worker.Pause()
		if held = s.inHand(); held > 0 {
			break
		}
		worker.Resume()
		s.pause(20 * time.Millisecond)
	}
	s.flying += held
	worker.Stop()
	s.gone(worker)
}

// inFlight is how many deliveries were in hand when workers were killed: each
// may have arrived, and its worker could not say so any more.
func inFlight(s *site) int { return s.flying }

// beyondAckWait is longer than a worker is believed to have a message in hand.
const beyondAckWait = 36 * time.Second

// freezeWorker is a machine that stands still, and then goes on with what
// others have done meanwhile.
func freezeWorker(s *site) {
	worker := s.anyWorker()
	worker.Pause()
	s.flying += s.inHand()
	time.Sleep(beyondAckWait)
	worker.Resume()
}

func killNATS(s *site) {
	for range 3 {
		s.pause(time.Second)
		s.nats.Stop()
		s.pause(time.Second)
		s.nats.Start()
	}
}

func killRedis(s *site) {
	for range 3 {
		s.pause(time.Second)
		s.redis.Stop()
		s.pause(time.Second)
		s.redis.Start()
	}
}

// freezeRedis is longer than any request waits for an answer.
func freezeRedis(s *site) {
	s.redis.Pause()
	time.Sleep(10 * time.Second)
	s.redis.Resume()
}
