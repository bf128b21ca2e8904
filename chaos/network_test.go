package chaos

import "time"

// The network between the fleet and each of its servers and far ends.

// slow is a network with a latency that no timeout minds.
func slow(s *site) {
	for _, net := range s.nets {
		net.become(mood{latency: time.Duration(50+s.chance.IntN(150)) * time.Millisecond})
	}
	time.Sleep(5 * time.Second)
	s.goodNetwork()
}

// cut resets all connections, some of them at a time.
func cut(s *site) {
	for range 10 {
		for _, name := range []string{"nats", "redis", "webhook", "ios", "email"} {
			if s.chance.IntN(2) == 0 {
				s.nets[name].cut()
			}
		}
		s.pause(time.Second)
	}
}

// partition refuses every connection to some servers for a while.
func partition(names ...string) func(s *site) {
	return func(s *site) {
		for _, name := range names {
			s.nets[name].become(mood{refuse: true})
			s.nets[name].cut()
		}
		time.Sleep(8 * time.Second)
		s.goodNetwork()
	}
}

// halfOpen makes connections that take everything and carry nothing, and resets
// them after a time, as a firewall does that has forgotten them.
func halfOpen(names ...string) func(s *site) {
	return func(s *site) {
		for _, name := range names {
			s.nets[name].become(mood{halfOpen: true})
		}
		time.Sleep(8 * time.Second)
		s.goodNetwork()
		for _, name := range names {
			s.nets[name].cut()
		}
	}
}

// midReply resets every connection somewhere in the midst of an answer.
func midReply(names ...string) func(s *site) {
	return func(s *site) {
		for range 8 {
			for _, name := range names {
				s.nets[name].become(mood{replyUpTo: 20 + s.chance.IntN(4000)})
				s.nets[name].cut()
			}
			s.pause(2 * time.Second)
		}
		s.goodNetwork()
		for _, name := range names {
			s.nets[name].cut()
		}
	}
}

func (s *site) goodNetwork() {
	for _, net := range s.nets {
		net.become(mood{})
	}
}
