package chaos

import (
	"testing"
	"time"
)

// TestFaultsTogether is the short form: several faults in one run, each while
// the fleet still recovers from the one before. One worker delivers and does not
// route: an event whose router was killed would take 45 s, a delivery takes 30.
func TestFaultsTogether(t *testing.T) {
	t.Parallel()
	fault{name: "several, one after the other", does: func(s *site) {
		doomed := s.startWorker("TOCSIN_WORKER_CHANNELS=webhook,email,ios")
		s.redis.Stop()
		s.pause(500 * time.Millisecond)
		s.redis.Start()
		s.kill(doomed)
		s.nets["redis"].cut()
		s.nets["webhook"].cut()
		s.startWorker()
		old := s.workers[0]
		if code := old.Terminate(); code != 0 {
			t.Errorf("a worker that was told to stop exits with %d", code)
		}
		s.gone(old)
	}}.run(t, *seed, 20)
}
