package chaos

import "time"

// outage is a time without NATS and Redis. It stands for an hour: what counts
// is that it is longer than any timeout, and that nobody restarts a worker.
func outage(s *site) {
	s.nats.Stop()
	s.redis.Stop()
	time.Sleep(45 * time.Second)
	s.redis.Start()
	s.pause(3 * time.Second)
	s.nats.Start()
}

// restartWithParked restarts nats-server while retries are parked.
func restartWithParked(s *site) {
	s.far.troubled(&unavailable)
	time.Sleep(3 * time.Second)
	s.nats.Stop()
	s.far.troubled(nil)
	s.pause(2 * time.Second)
	s.nats.Start()
}
